//! Bad input of any kind: a clear error or a counted refusal, and nobody else disturbed.

mod files;
