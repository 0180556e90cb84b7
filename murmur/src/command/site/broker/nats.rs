//! The one file of a NATS server: MQTT topics as subjects, `/` as `.`, `+` as `*` and `#` as `>`.

use std::fmt::Write;

use broker::Filter;
use smc_mqtt::entropy;

use super::logins::Login;
use super::{BrokerFailure, Draft, Plan, hash};

pub(super) const CONFIG: &str = "nats-server.conf";

/// Where a NATS server puts what it has for a subscriber at QoS 1; clients can't subscribe it over MQTT.
const DELIVERIES: &str = "$MQTT.sub.>";

pub(super) fn files(plan: &Plan) -> Result<Vec<Draft>, BrokerFailure> {
    let rng = &mut entropy::rng()?;
    let mut users = String::new();
    for login in &plan.logins {
        let name = &login.account.name;
        let password = if plan.anonymous.as_ref() == Some(name) {
            // A NATS server says it by itself for whoever has no login, and would say a hash as it stands here.
            quoted(login.password.reveal())
        } else {
            hash::nats(login, rng).map_err(|_| BrokerFailure::Password { account: name.clone() })?
        };
        let _ = write!(
            users,
            "    {{
      user: \"{name}\", password: \"{password}\", allowed_connection_types: [\"MQTT\"]
      permissions: {{
        publish: {publish}
        subscribe: {{ allow: {subscribe} }}
      }}
    }}
",
            publish = publishes(login)?,
            subscribe = list(&subscribes(login)?),
        );
    }
    Ok(vec![Draft::new(CONFIG, config(plan, &users))])
}

/// Between quotation marks.
fn quoted(password: &str) -> String {
    password.replace('\\', "\\\\").replace('"', "\\\"")
}

fn config(plan: &Plan, users: &str) -> String {
    let mut mqtt = format!("  listen: \"{}\"\n", plan.listen);
    if let Some(anonymous) = &plan.anonymous {
        let _ = writeln!(
            mqtt,
            "  # Whoever has no login can do nothing but join by a code.\n  no_auth_user: \"{anonymous}\""
        );
    }
    if let Some(tls) = &plan.tls {
        let _ = writeln!(mqtt, "  tls {{\n    cert_file: \"{}\"\n    key_file: \"{}\"", tls.cert, tls.key);
        if let Some(ca) = &tls.client_ca {
            let _ = writeln!(mqtt, "    ca_file: \"{ca}\"\n    verify: true");
        }
        mqtt += "  }\n";
    }
    format!(
        "# A NATS server for the site {site}: murmur site broker nats

server_name: \"murmur-{site}\"
# Nobody here speaks NATS' own protocol: it gets a free port of this machine alone.
listen: \"127.0.0.1:-1\"
# The largest message, in bytes; version 2.9 does not hold clients to it that speak MQTT.
max_payload: {bytes}
max_connections: {connections}

# Retained messages and what is on its way; MQTT can't do without.
jetstream {{
  store_dir: \"{store}\"
}}

mqtt {{
{mqtt}}}

# Who may connect, and to which topics.
authorization {{
  users: [
{users}  ]
}}
",
        site = plan.site,
        bytes = plan.limits.0,
        connections = plan.limits.1,
        store = plan.folder.file("data"),
    )
}

/// An empty list would allow everything.
fn publishes(login: &Login) -> Result<String, BrokerFailure> {
    let subjects = subjects(login, &login.account.rules.publish)?;
    Ok(if subjects.is_empty() {
        "{ deny: [\">\"] }".to_owned()
    } else {
        format!("{{ allow: {} }}", list(&subjects))
    })
}

fn subscribes(login: &Login) -> Result<Vec<String>, BrokerFailure> {
    let mut subjects = subjects(login, &login.account.rules.subscribe)?;
    subjects.push(DELIVERIES.to_owned());
    Ok(subjects)
}

fn subjects(login: &Login, filters: &[Filter]) -> Result<Vec<String>, BrokerFailure> {
    let mut subjects = Vec::new();
    for filter in filters {
        if let Some(what) = obstacle(filter) {
            let (account, filter) = (login.account.name.clone(), filter.to_string());
            return Err(BrokerFailure::Unspeakable { account, kind: "NATS", filter, what });
        }
        subjects.extend(translate(filter));
    }
    Ok(subjects)
}

/// What in a filter has another meaning in a subject.
fn obstacle(filter: &Filter) -> Option<&'static str> {
    let text = filter.as_str();
    match () {
        () if text.contains('.') => Some("a full stop"),
        () if text.contains(' ') => Some("a space"),
        () if text.contains(['*', '>', '"', '\\']) => Some("`*`, `>`, `\"` or `\\`"),
        () if text.split('/').any(str::is_empty) => Some("an empty level"),
        () => None,
    }
}

/// `#` means what is above, too; `>` does not.
fn translate(filter: &Filter) -> impl Iterator<Item = String> + use<> {
    let levels = filter.as_str().split('/').map(|level| match level {
        "+" => "*",
        "#" => ">",
        level => level,
    });
    let subject = levels.collect::<Vec<_>>().join(".");
    let above = subject.strip_suffix(".>").map(str::to_owned);
    above.into_iter().chain([subject])
}

fn list(subjects: &[String]) -> String {
    let quoted: Vec<_> = subjects.iter().map(|subject| format!("\"{subject}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        text.parse().unwrap()
    }

    #[test]
    fn filters_become_subjects() {
        let subjects = |text| translate(&filter(text)).collect::<Vec<_>>();
        assert_eq!(subjects("murmur/hq/card/+"), ["murmur.hq.card.*"]);
        assert_eq!(subjects("murmur/hq/#"), ["murmur.hq", "murmur.hq.>"]);
        assert_eq!(subjects("#"), [">"]);
        assert_eq!(subjects("murmur/+/pair/offer/+"), ["murmur.*.pair.offer.*"]);
    }

    #[test]
    fn what_a_subject_can_not_say_is_told() {
        for (text, what) in [
            ("zigbee2mqtt/meeting room/+", Some("a space")),
            ("shelly/1.2/+", Some("a full stop")),
            ("a//b", Some("an empty level")),
            ("a/*", Some("`*`, `>`, `\"` or `\\`")),
            ("zigbee2mqtt/office", None),
        ] {
            assert_eq!(obstacle(&filter(text)), what, "{text}");
        }
    }
}
