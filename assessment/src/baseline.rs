//! What this system is held against.

mod mpyc;
mod venv;

pub use self::mpyc::WithMpyc;
use crate::observation::Subject;
use crate::parameters::Parameters;

/// Whether `subject` can do what the point asks for.
pub fn can(subject: Subject, point: &Parameters) -> bool {
    match subject {
        Subject::Murmuration | Subject::PlainMqtt => true,
        Subject::Mpyc => mpyc_computes(&point.function).is_some() && point.batch == 1 && point.sessions == 1,
    }
}

/// What MPyC computes where this system computes `function`: the same value, or what it is made of.
fn mpyc_computes(function: &str) -> Option<&'static str> {
    match function {
        "mean" | "sum" => Some("sum"),
        "max" | "min" => Some("max"),
        "median" | "quantile" | "top_k" => Some("sort"),
        _ => None,
    }
}
