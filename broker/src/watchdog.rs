//! Proves, again and again, that a message still finds its way through the router.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::codec::QoS;
use crate::error::BrokerError;
use crate::fanout::Lead;
use crate::filter::Filter;
use crate::hub::Subscriber;
use crate::message::{Message, Origin};
use crate::outbox::Outbox;
use crate::router::Routed;
use crate::shared::Shared;

/// Where the watchdog's messages go; below [`crate::fanout::RESERVED_ROOT`].
pub(crate) const TOPIC: &str = "smc-broker/watchdog";
const PAUSE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a message through the router every few seconds. Returns when one does not arrive in time.
pub(crate) async fn watch(shared: &Shared) -> BrokerError {
    let outbox = Arc::new(Outbox::new(4, 4_096));
    let Ok(filter) = TOPIC.parse::<Filter>() else { return BrokerError::Router };
    let subscriber = Subscriber {
        filter,
        outbox: outbox.clone(),
        origin: Origin::BROKER,
        qos: QoS::AtMostOnce,
        no_local: false,
        retain_as_published: false,
        subscription_id: None,
    };
    let Ok(Ok(Some(_subscription))) = timeout(PATIENCE, shared.fanout.subscribe(subscriber)).await else {
        return BrokerError::Router;
    };
    for number in 0_u64.. {
        let round_trip = round_trip(shared, &outbox, number);
        if !matches!(timeout(PATIENCE, round_trip).await, Ok(Ok(()))) {
            break;
        }
        sleep(PAUSE).await;
    }
    BrokerError::Router
}

async fn round_trip(shared: &Shared, outbox: &Outbox, number: u64) -> Result<(), BrokerError> {
    let payload = number.to_be_bytes();
    let message = Message::build(TOPIC, QoS::AtMostOnce, false, &[], &payload, Origin::BROKER);
    let route = shared.fanout.route(TOPIC);
    let routed = |lead: &Lead| Routed { inlet: lead.inlet.clone(), message: message.clone() };
    shared.router.publish(&mut route.hubs.iter().map(routed).collect()).await?;
    let mut returned = false;
    while !returned {
        outbox.filled().await;
        outbox.take_while(|delivery| {
            returned |= delivery.message.payload() == payload;
            true
        });
    }
    Ok(())
}
