//! Values that are too long for one message: in parts beside the result, and in parts for one client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeMap;

use smc_core::name::NodeName;
use smc_core::output::{self, Gathering, SealedOutput};
use smc_core::result::{PART_ELEMENTS, PartDocument, Status};
use smc_core::roster::document::{ClientTable, QueryTable};
use smc_core::value::Value;
use smc_sim::world::{Site, World, vector};

/// Three parts, in messages as in results.
const ELEMENTS: u32 = 2 * PART_ELEMENTS as u32 + 100;
const AGENTS: usize = 5;

/// Everybody asks for the sum of long vectors, and `display` for one of its own.
fn world() -> World {
    let mut site = Site::of(3, 1).vector("gradient", 2, ELEMENTS);
    for _ in 0..AGENTS {
        site = site.agent(&[], &["gradient"]);
    }
    let sealing = *site.keys[0].sealing.public();
    site.document.client.push(ClientTable {
        name: "display".parse().unwrap(),
        identity: None,
        sealing,
        groups: Vec::new(),
    });
    for (name, audience) in [("public", None), ("private", "display".parse().ok())] {
        let query = QueryTable::new(name.parse().unwrap(), "vector_sum", "gradient".parse().unwrap());
        site.document.query.push(QueryTable { audience, ..query });
    }
    let mut world = World::new(site);
    world.read(|agent, w| Some((1 + agent as u64 + w) as f64));
    world
}

/// The sum in window `w`, as a child would add it up.
fn plain(world: &World, w: u64) -> Vec<f64> {
    let quantity = &world.roster.quantity(world.roster.quantity_named("gradient").unwrap()).quantity;
    let mut sum = vec![0.0; ELEMENTS as usize];
    for agent in 0..AGENTS {
        let reading = vector((world.readings)(agent, w).unwrap(), quantity);
        sum.iter_mut().zip(reading).for_each(|(sum, element)| *sum += element);
    }
    sum
}

fn numbers(elements: &[Value]) -> impl Iterator<Item = f64> {
    elements.iter().map(|element| element.as_number().unwrap())
}

#[test]
fn everybody_finds_the_value_beside_the_result_and_can_check_it() {
    let mut world = world();
    world.run(1);
    let told = world.told("public", 1);
    assert_eq!(told.len(), 3);
    for told in &told {
        told.signed.verify(&world.roster).unwrap();
        assert_eq!(told.parts.is_empty(), !told.publish, "who does not publish keeps no parts");
    }
    let publisher = told.iter().find(|told| told.publish).unwrap();
    let result = &publisher.signed.result;
    assert_eq!(
        (result.status, result.value.is_none(), publisher.signed.signatures.len()),
        (Status::Ok, true, 3)
    );
    let parts = result.parts.as_ref().unwrap();
    assert_eq!((parts.elements(), parts.count(), publisher.parts.len()), (ELEMENTS, 3, 3));
    let mut whole = Vec::new();
    for payload in &publisher.parts {
        let part: PartDocument = serde_json::from_slice(payload).unwrap();
        parts.admit(&part, payload).unwrap();
        assert_eq!((part.query.as_str(), part.window), ("public", world.window(1)));
        whole.extend(numbers(&part.elements));
    }
    assert_eq!(whole, plain(&world, 1));
}

#[test]
fn one_client_opens_the_value_from_parts_in_any_order() {
    let mut world = world();
    world.run(1);
    let of = |(_, _, output): &&(_, NodeName, SealedOutput)| output.window == world.window(1);
    let mut outputs = BTreeMap::new();
    for (_, to, output) in world.log.outputs.iter().filter(of) {
        assert_eq!((to.as_str(), output.query.as_str()), ("display", "private"));
        let mut parts: Vec<_> =
            output.cut().map(|part| SealedOutput::from_bytes(&part.to_bytes()).unwrap()).collect();
        assert_eq!(parts.len(), 3);
        let mut gathering = Gathering::new(parts.pop().unwrap());
        parts.into_iter().for_each(|part| gathering.take(part).unwrap());
        outputs.insert(output.from.clone(), gathering.join().unwrap());
    }
    assert_eq!(outputs.len(), 3);
    let opened = output::open(&world.roster, &outputs).unwrap();
    let Value::List(elements) = opened.value else { panic!("a vector is a list") };
    assert!(opened.verified && numbers(&elements).eq(plain(&world, 1)));
    let result = &world.published("private", 1)[0].result;
    assert_eq!((result.value.is_none(), result.parts.is_none()), (true, true), "nobody else learns it");
}
