//! The bare value of a result, for programs that take no JSON apart: the same that Home Assistant shows as the state.

use smc_core::function::{Kind, Query, Shape, Subject};
use smc_core::result::ResultDocument;
use smc_core::roster::Roster;
use smc_core::value::Value;

/// What yes and no are called by Home Assistant, openHAB and most switches.
const YES: &str = "ON";
const NO: &str = "OFF";

/// What the values of `query` look like.
pub(crate) fn shape(roster: &Roster, query: &Query) -> Shape {
    let quantity = &roster.quantity(query.quantity).quantity;
    let with = query.with.map(|with| &roster.quantity(with).quantity);
    query.function.shape(&Subject { quantity, with })
}

/// The state that `result` comes to, whose value is of this `kind`; none while there is no value for everybody, so that no
/// old one stays.
pub(crate) fn state(result: &ResultDocument, kind: Kind) -> Option<String> {
    if let Some(parts) = &result.parts {
        return Some(parts.elements().to_string());
    }
    match (result.value.as_ref()?, kind) {
        (Value::List(elements), _) => Some(elements.len().to_string()),
        (Value::Record(parts), Kind::Record(main)) => plain(parts.get(main)?),
        (value, _) => plain(value),
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Flag(flag) => Some(if *flag { YES } else { NO }.to_owned()),
        Value::Number(_) => Some(value.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::List(_) | Value::Nothing | Value::Record(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn result(value: Json) -> ResultDocument {
        let document = json!({
            "v": 1, "site": "hq", "query": "a", "function": "f", "quantity": "co2", "unit": "",
            "window": { "index": 0, "start": "", "end": "" }, "value": value, "cohort": 5, "fresh": 5, "carried": 0,
            "peers": [], "validated": true, "verified": true, "status": "ok", "reason": null,
        });
        serde_json::from_value(document).unwrap()
    }

    fn told(value: Json, kind: Kind) -> Option<String> {
        state(&result(value), kind)
    }

    #[test]
    fn every_kind_of_value_has_a_bare_one() {
        assert_eq!(told(json!(844.17), Kind::Number).as_deref(), Some("844.17"));
        assert_eq!(told(json!(12), Kind::Number).as_deref(), Some("12"));
        assert_eq!(told(json!(true), Kind::Flag).as_deref(), Some("ON"));
        assert_eq!(told(json!(false), Kind::Flag).as_deref(), Some("OFF"));
        assert_eq!(told(json!([3, 0, 7]), Kind::List).as_deref(), Some("3"));
        let record = json!({ "slope": 2.5, "intercept": null });
        assert_eq!(told(record.clone(), Kind::Record("slope")).as_deref(), Some("2.5"));
        assert_eq!(told(record, Kind::Record("intercept")), None, "what the readings leave undetermined");
        assert_eq!(told(json!({ "winner": "room-1" }), Kind::Record("winner")).as_deref(), Some("room-1"));
    }

    #[test]
    fn without_a_value_there_is_no_state() {
        assert_eq!(told(Json::Null, Kind::Number), None);
    }
}
