//! A quantity as a configuration or a signed document writes it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Quantity, QuantityError};
use crate::decimal::Decimal;
use crate::name::QuantityName;
use crate::time::Period;

/// The fields of a [`Quantity`], not yet validated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantityDocument {
    /// Its name.
    pub name: QuantityName,
    /// Its unit, for people; absent if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// The least reading.
    pub minimum: Decimal,
    /// The greatest reading.
    pub maximum: Decimal,
    /// The difference between two neighbouring readings.
    pub resolution: Decimal,
    /// How many elements a reading has; absent for a single number.
    #[serde(default = "single", skip_serializing_if = "is_single")]
    pub elements: u32,
    /// The length of its windows, in milliseconds.
    pub period: Period,
}

/// A reading is a single number unless its quantity says otherwise.
pub(crate) const fn single() -> u32 {
    1
}

/// Whether `elements` is what is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) const fn is_single(elements: &u32) -> bool {
    *elements == single()
}

impl From<Quantity> for QuantityDocument {
    fn from(quantity: Quantity) -> Self {
        let Quantity { name, unit, minimum, maximum, resolution, elements, period, grid: _ } = quantity;
        Self { name, unit, minimum, maximum, resolution, elements, period }
    }
}

impl TryFrom<QuantityDocument> for Quantity {
    type Error = QuantityError;
    fn try_from(document: QuantityDocument) -> Result<Self, QuantityError> {
        Self::new(document)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        QuantityDocument::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(QuantityDocument::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPERATURE: &str =
        r#"{"name":"temperature","unit":"°C","minimum":-40,"maximum":85,"resolution":0.01,"period":60000}"#;

    #[test]
    fn documents_round_trip() {
        let quantity: Quantity = serde_json::from_str(TEMPERATURE).unwrap();
        assert_eq!(quantity, Quantity::known("temperature", quantity.period()).unwrap());
        assert_eq!(serde_json::to_string(&quantity).unwrap(), TEMPERATURE);
        let texts = TEMPERATURE.replace("0.01", "\"0.010\"").replace("-40", "\"-40\"");
        assert_eq!(serde_json::from_str::<Quantity>(&texts).unwrap(), quantity);
        let vector = TEMPERATURE.replace(r#""period""#, r#""elements":3,"period""#);
        let quantity: Quantity = serde_json::from_str(&vector).unwrap();
        assert_eq!((quantity.elements(), quantity.is_vector()), (3, true));
        assert_eq!(serde_json::to_string(&quantity).unwrap(), vector);
        let motion = Quantity::known("motion", quantity.period()).unwrap();
        assert!(!serde_json::to_string(&motion).unwrap().contains("unit"));
    }

    #[test]
    fn garbage_is_refused_with_its_reason() {
        let refused = |from: &str, to: &str| {
            let json = TEMPERATURE.replace(from, to);
            serde_json::from_str::<Quantity>(&json).unwrap_err().to_string()
        };
        assert!(refused("\"unit\"", "\"units\"").contains("unknown field `units`"));
        assert!(refused("0.01", "\"1/100\"").contains("a decimal number is written"));
        assert!(refused("-40", "90").contains("the minimum 90 must be below the maximum 85"));
        assert!(refused("60000", "5").contains("a period lasts from 100 ms to 24 h"));
        assert!(refused(r#""resolution":0.01,"#, "").contains("missing field `resolution`"));
        assert!(
            refused(r#""period""#, r#""elements":0,"period""#).contains("elements = 0: a reading has 1 to")
        );
        let many = r#""elements":1000001,"period""#;
        assert!(refused(r#""period""#, many).contains("quantity temperature: elements = 1000001: "));
        assert!(refused("°C", r"\n").contains("no control characters"));
    }
}
