//! A full disk: who can't keep its promises stops, and the others go on.
