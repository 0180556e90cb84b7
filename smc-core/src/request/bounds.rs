//! How long a request's parts may be.

use std::time::Duration;

use serde_json::Value;

use super::{Request, RequestError};

/// The longest request, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// How far ahead a request may end.
pub const MAX_LIFE: Duration = Duration::from_secs(366 * 86_400);
/// The longest purpose, in characters.
pub const MAX_PURPOSE: usize = 200;
const MAX_LABELS: usize = 16;
const MAX_LABEL: usize = 64;
/// The largest whole number that every reader of JSON keeps as it is.
const MAX_EXACT: u64 = (1 << 53) - 1;
/// The longest part of a library's message that is passed on.
const MAX_MESSAGE: usize = 200;

/// What holds for every request, whatever the site.
pub(super) fn check(request: &Request) -> Result<(), RequestError> {
    let query = &request.query;
    let purpose = query.purpose.trim();
    if purpose.is_empty() || purpose.chars().count() > MAX_PURPOSE || purpose.contains(char::is_control) {
        return Err(RequestError::NoPurpose);
    }
    let long = |text: &str| text.chars().count() > MAX_LABEL;
    if query.scope.len() > MAX_LABELS || query.scope.iter().any(|(key, value)| long(key) || long(value)) {
        return Err(RequestError::ScopeTooLong);
    }
    if request.until <= request.not_before { Err(RequestError::NeverDue) } else { Ok(()) }
}

/// The signed form writes numbers as doubles: two that round to one double would have one signature.
pub(super) fn exact_numbers(value: &Value) -> Result<(), RequestError> {
    match value {
        Value::Array(values) => values.iter().try_for_each(exact_numbers),
        Value::Number(number) => {
            let whole = number.as_u64().or(number.as_i64().map(i64::unsigned_abs));
            if whole.is_some_and(|whole| whole > MAX_EXACT) {
                return Err(RequestError::InexactNumber);
            }
            Ok(())
        }
        Value::Object(fields) => fields.values().try_for_each(exact_numbers),
        Value::Bool(_) | Value::Null | Value::String(_) => Ok(()),
    }
}

/// The beginning of a message, which may quote what came.
pub(super) fn short(message: &str) -> String {
    message.chars().filter(|letter| !letter.is_control()).take(MAX_MESSAGE).collect()
}
