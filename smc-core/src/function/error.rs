//! Why a query's function is refused.

/// A function that can't be computed as asked; the text names the key and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// It would take too long.
    #[error(
        "with {readings} readings it would take {products} products in a window, more than {most}: ask for less at a \
         time, choose a coarser resolution or make two sites of it"
    )]
    Costly {
        /// How many readings there may be.
        readings: u64,
        /// How many products it may take.
        products: u64,
        /// How many it may take at most.
        most: u64,
    },
    /// The function tells the peers more than the client may share.
    #[error(
        "`{function}` can't be for one client alone: the peers learn its output on the way; remove `audience`, or ask for \
         another function"
    )]
    Audience {
        /// The function.
        function: &'static str,
    },
    /// A parameter is missing.
    #[error("`{function}` needs `{parameter}`, for example {example}")]
    Missing {
        /// The function.
        function: &'static str,
        /// The key.
        parameter: &'static str,
        /// How it could look.
        example: &'static str,
    },
    /// A parameter is out of range.
    #[error("`{parameter}`: {must}")]
    OutOfRange {
        /// The key.
        parameter: &'static str,
        /// What it must be.
        must: String,
    },
    /// The numbers could grow out of the field.
    #[error(
        "with {readings} readings its numbers could grow beyond 2^61: choose a coarser resolution, a smaller range \
         or a smaller scope"
    )]
    Overflow {
        /// How many readings there may be.
        readings: u64,
    },
    /// A parameter that the function has no use for.
    #[error("`{function}` takes no `{parameter}`; remove it")]
    Superfluous {
        /// The function.
        function: &'static str,
        /// The key.
        parameter: &'static str,
    },
    /// No such function.
    #[error("there is no function `{0}`; `murmur functions` lists them all")]
    Unknown(String),
    /// A function of single numbers is asked of vectors.
    #[error(
        "`{function}` is computed on single numbers, and the quantity has {elements} elements; try `vector_sum`"
    )]
    Vector {
        /// The function.
        function: &'static str,
        /// How many elements the quantity has.
        elements: u32,
    },
}
