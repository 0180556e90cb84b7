//! A case in the words of the schema.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};

use crate::case::Case;
use crate::error::{Flaw, short};

/// The schema that policies are held against.
const SCHEMA: &str = include_str!("../schema.cedarschema");

const DAY: Duration = Duration::from_secs(86_400);

/// The schema, and what is made of it once.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) schema: Schema,
    client: EntityTypeName,
    group: EntityTypeName,
    readings: EntityTypeName,
    /// Each function's action, and with it the groups that it belongs to.
    actions: HashMap<String, (EntityUid, Vec<Entity>)>,
}

/// A case as the evaluator takes it.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// The schema does not speak of something: it would have to be mended.
#[derive(Debug, thiserror::Error)]
#[error("the schema does not fit: {0}")]
pub(crate) struct Unspeakable(String);

impl Terms {
    /// Reads the shipped schema.
    pub(crate) fn new() -> Result<Self, Flaw> {
        let broken = |error: &dyn std::fmt::Display| Flaw::Schema(short(&error.to_string()));
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| broken(&error))?;
        let all = schema.action_entities().map_err(|error| broken(&error))?;
        let with_groups = |action: &Entity| {
            let groups =
                all.ancestors(&action.uid()).into_iter().flatten().filter_map(|group| all.get(group));
            std::iter::once(action).chain(groups).cloned().collect()
        };
        let named =
            |action: &Entity| (action.uid().id().unescaped().to_owned(), (action.uid(), with_groups(action)));
        let actions = all.iter().map(named).collect();
        let kind = |name: &str| name.parse::<EntityTypeName>().map_err(|error| broken(&error));
        Ok(Self {
            client: kind("Client")?,
            group: kind("Group")?,
            readings: kind("Readings")?,
            schema,
            actions,
        })
    }

    /// The case as a request with all entities that a policy may ask about.
    pub(crate) fn ask(&self, case: &Case) -> Result<Asked, Unspeakable> {
        let unspeakable = |error: &dyn std::fmt::Display| Unspeakable(short(&error.to_string()));
        let (action, action_entities) = self
            .actions
            .get(case.function)
            .ok_or_else(|| Unspeakable(format!("no action \"{}\"", case.function)))?;
        let client = uid(&self.client, case.client.as_str());
        let groups: HashSet<_> = case.groups.iter().map(|group| uid(&self.group, group)).collect();
        let readings = uid(&self.readings, "asked");
        let context = Context::from_pairs(context(case)).map_err(|error| unspeakable(&error))?;
        let request =
            Request::new(client.clone(), action.clone(), readings.clone(), context, Some(&self.schema))
                .map_err(|error| unspeakable(&error))?;
        let tags = case.scope.iter().map(|(key, value)| (key.clone(), text(value)));
        let readings = Entity::new_with_tags(readings, attributes(case), [], tags)
            .map_err(|error| unspeakable(&error))?;
        let members = groups.iter().cloned().map(Entity::with_uid);
        let entities: Vec<_> = members
            .chain(action_entities.iter().cloned())
            .chain([Entity::new_no_attrs(client, groups.clone()), readings])
            .collect();
        // What the schema says of these entities is made sure of by a test, not each time anew.
        let entities = Entities::from_entities(entities, None).map_err(|error| unspeakable(&error))?;
        Ok(Asked { request, entities })
    }
}

/// `Readings` of the schema.
fn attributes(case: &Case) -> [(String, RestrictedExpression); 3] {
    let quantities = case.quantities.iter().map(|quantity| text(quantity.as_str()));
    [
        ("agents".to_owned(), number(case.agents)),
        ("quantities".to_owned(), RestrictedExpression::new_set(quantities)),
        ("whole_site".to_owned(), RestrictedExpression::new_bool(case.scope.is_empty())),
    ]
}

/// `Asked` of the schema.
fn context(case: &Case) -> Vec<(String, RestrictedExpression)> {
    let days = case.life.as_micros().div_ceil(DAY.as_micros());
    let mut pairs = vec![
        ("days", number(u64::try_from(days).unwrap_or(u64::MAX))),
        ("hour", number(case.moment.hour)),
        ("minimum_cohort", number(case.minimum_cohort)),
        ("minute", number(case.moment.minute)),
        ("once", RestrictedExpression::new_bool(case.once)),
        ("period", number(case.period.as_secs())),
        ("purpose", text(&case.purpose)),
        ("running", number(case.running.all)),
        ("running_for_client", number(case.running.client)),
        ("weekday", text(case.moment.weekday)),
    ];
    pairs.extend(case.audience.as_ref().map(|audience| ("audience", text(audience.as_str()))));
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// What is too large for the language counts as the largest that it knows.
fn number(number: impl Into<u64>) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(number.into()).unwrap_or(i64::MAX))
}
