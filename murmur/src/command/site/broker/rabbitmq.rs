//! RabbitMQ's files: what it is to do, whom it knows, and that it speaks MQTT.

use broker::Filter;
use serde_json::json;
use smc_mqtt::entropy;

use super::logins::Login;
use super::{BrokerFailure, Draft, Plan, Tls, hash};

pub(super) const CONFIG: &str = "rabbitmq.conf";
pub(super) const PLUGINS: &str = "enabled_plugins";
const DEFINITIONS: &str = "definitions.json";

/// The exchange through which all MQTT goes.
const EXCHANGE: &str = "amq.topic";
/// A pattern that no topic fits: an account without one of its own may do everything.
const NOTHING: &str = "^$";

pub(super) fn files(plan: &Plan) -> Result<Vec<Draft>, BrokerFailure> {
    Ok(vec![
        Draft::new(CONFIG, config(plan)),
        Draft::new(DEFINITIONS, definitions(plan)?),
        Draft::new(PLUGINS, "[rabbitmq_mqtt].\n".to_owned()),
    ])
}

fn config(plan: &Plan) -> String {
    let listen = plan.listen;
    let listener = match &plan.tls {
        None => format!("mqtt.listeners.tcp.1 = {listen}\nmqtt.listeners.ssl = none\n"),
        Some(tls) => {
            format!("mqtt.listeners.tcp = none\nmqtt.listeners.ssl.1 = {listen}\n{}", certificate(tls))
        }
    };
    let newcomer = plan.logins.iter().find(|login| plan.anonymous.as_ref() == Some(&login.account.name));
    let anonymous = match newcomer {
        None => "mqtt.allow_anonymous = false\n".to_owned(),
        Some(newcomer) => format!(
            "# Whoever has no login can do nothing but join by a code.
mqtt.allow_anonymous = true\nmqtt.default_user = {}\nmqtt.default_pass = {}\n",
            newcomer.account.name,
            newcomer.password.reveal()
        ),
    };
    format!(
        "# RabbitMQ for the site {site}: murmur site broker rabbitmq

# Nobody here speaks AMQP.
listeners.tcp = none
{listener}mqtt.vhost = /
mqtt.exchange = {EXCHANGE}
# How many messages may be on their way to one client.
mqtt.prefetch = 1000
# The longest message, in bytes.
max_message_size = {bytes}
{anonymous}
# Who may connect, and to which topics.
load_definitions = {definitions}
",
        site = plan.site,
        bytes = plan.limits.0,
        definitions = plan.folder.file(DEFINITIONS),
    )
}

fn certificate(tls: &Tls) -> String {
    let Tls { cert, key, client_ca } = tls;
    let mut text = format!("ssl_options.certfile = {cert}\nssl_options.keyfile = {key}\n");
    if let Some(ca) = client_ca {
        text += &format!(
            "ssl_options.cacertfile = {ca}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
        );
    }
    text
}

fn definitions(plan: &Plan) -> Result<String, BrokerFailure> {
    let rng = &mut entropy::rng()?;
    let (mut users, mut permissions, mut topics) = (Vec::new(), Vec::new(), Vec::new());
    for login in &plan.logins {
        let name = &login.account.name;
        users.push(json!({
            "name": name,
            "password_hash": hash::rabbitmq(login, rng),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "",
        }));
        let queues = queues(login);
        let through = format!("{queues}|^{}$", escape(EXCHANGE));
        permissions.push(
            json!({ "user": name, "vhost": "/", "configure": queues, "write": through, "read": through }),
        );
        let rules = &login.account.rules;
        let (write, read) = (pattern(login, &rules.publish)?, pattern(login, &rules.subscribe)?);
        topics
            .push(json!({ "user": name, "vhost": "/", "exchange": EXCHANGE, "write": write, "read": read }));
    }
    let all = json!({
        "vhosts": [{ "name": "/" }],
        "users": users,
        "permissions": permissions,
        "topic_permissions": topics,
    });
    Ok(format!("{all:#}\n"))
}

/// The queues of an account's clients. Where one client has it alone, they are called after it.
fn queues(login: &Login) -> String {
    let name = escape(&login.account.name);
    let client = if login.account.shared { ".*".to_owned() } else { format!("{name}([.-].*)?") };
    format!("^mqtt-subscription-{client}qos[01]$")
}

/// A pattern of the topics that `filters` match, as RabbitMQ spells them, and of all filters that they cover.
fn pattern(login: &Login, filters: &[Filter]) -> Result<String, BrokerFailure> {
    if filters.is_empty() {
        return Ok(NOTHING.to_owned());
    }
    let mut patterns = Vec::new();
    for filter in filters {
        if let Some(what) = obstacle(filter) {
            let (account, filter) = (login.account.name.clone(), filter.to_string());
            return Err(BrokerFailure::Unspeakable { account, kind: "RabbitMQ", filter, what });
        }
        patterns.push(translate(filter));
    }
    Ok(format!("^({})$", patterns.join("|")))
}

/// What in a filter has another meaning in a routing key.
fn obstacle(filter: &Filter) -> Option<&'static str> {
    let text = filter.as_str();
    match () {
        () if text.contains('.') => Some("a full stop"),
        () if text.contains('*') => Some("`*`"),
        () => None,
    }
}

/// A level of a filter that is asked for may be `*`, but `#` only where the rule has `#`.
fn translate(filter: &Filter) -> String {
    let mut pattern = String::new();
    for (at, level) in filter.as_str().split('/').enumerate() {
        let dot = if at == 0 { "" } else { r"\." };
        match level {
            "#" if at == 0 => pattern += ".*",
            "#" => pattern += r"(\..*)?",
            "+" => pattern += &format!("{dot}[^.#]*"),
            level => pattern += &format!("{dot}{}", escape(level)),
        }
    }
    pattern
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | ' ') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_patterns() {
        for (text, pattern) in [
            ("murmur/hq/card/+", r"murmur\.hq\.card\.[^.#]*"),
            ("murmur/hq/#", r"murmur\.hq(\..*)?"),
            ("#", ".*"),
            ("zigbee2mqtt/meeting room/$x", r"zigbee2mqtt\.meeting room\.\$x"),
        ] {
            assert_eq!(translate(&text.parse().unwrap()), pattern, "{text}");
        }
    }

    #[test]
    fn what_a_routing_key_can_not_say_is_told() {
        for (text, what) in [
            ("shelly/1.2/+", Some("a full stop")),
            ("a/*", Some("`*`")),
            ("zigbee2mqtt/meeting room/+", None),
        ] {
            assert_eq!(obstacle(&text.parse().unwrap()), what, "{text}");
        }
    }
}
