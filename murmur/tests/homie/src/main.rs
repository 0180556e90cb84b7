//! `homie-look PORT USER PASSWORD`: prints as a line of JSON, whenever something is new, what a Homie controller knows of all
//! devices at a broker on this machine. Values stand as the controller reads them by their datatypes; `null` for those that
//! it can't read.

use homie_controller::{Datatype, Device, HomieController, Node, PollError, Property};
use rumqttc::MqttOptions;
use serde_json::{Map, Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), PollError> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, user, password] = &arguments[..] else { panic!("usage: homie-look PORT USER PASSWORD") };
    let mut options = MqttOptions::new("homie-look", "127.0.0.1", port.parse().expect("a port"));
    options.set_credentials(user, password);
    let (controller, mut events) = HomieController::new(options, "homie");
    loop {
        if !controller.poll(&mut events).await?.is_empty() {
            let devices = controller.devices();
            println!("{}", devices.iter().map(|(id, known)| (id.clone(), device(known))).collect::<Value>());
        }
    }
}

fn device(device: &Device) -> Value {
    json!({
        "version": device.homie_version,
        "name": device.name,
        "state": device.state.to_string(),
        "complete": device.has_required_attributes(),
        "nodes": device.nodes.iter().map(|(id, known)| (id.clone(), node(known))).collect::<Map<_, _>>(),
    })
}

fn node(node: &Node) -> Value {
    let properties = node.properties.iter().map(|(id, known)| (id.clone(), property(known)));
    json!({ "name": node.name, "type": node.node_type, "properties": properties.collect::<Map<_, _>>() })
}

fn property(property: &Property) -> Value {
    let value = match property.datatype {
        Some(Datatype::Boolean) => property.value::<bool>().ok().map(Value::from),
        Some(Datatype::Float) => property.value::<f64>().ok().map(Value::from),
        Some(Datatype::Integer) => property.value::<i64>().ok().map(Value::from),
        Some(Datatype::String) => property.value.clone().map(Value::from),
        Some(Datatype::Color | Datatype::Enum) | None => None,
    };
    json!({ "unit": property.unit, "value": value })
}
