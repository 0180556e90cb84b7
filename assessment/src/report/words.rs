//! Names of what is varied and measured, and numbers with their units.

use crate::observation::{Measure, Phase, Role, Subject};
use crate::statistics::Median;

/// What a key of the parameters is to people, and its unit.
pub(super) fn key(key: &str) -> (&str, &'static str) {
    match key {
        "agents" => ("agents", ""),
        "batch" => ("elements of a vector", ""),
        "bits" => ("bits of a reading", ""),
        "cores" => ("cores per host", ""),
        "cpu_percent" => ("CPU time per host", "% of a core"),
        "frequency_mhz" => ("frequency of the cores", "MHz"),
        "jitter_ms" => ("jitter, to both sides", "ms"),
        "latency_ms" => ("latency, one way", "ms"),
        "loss_percent" => ("lost packets", "%"),
        "peers" => ("peers", ""),
        "rate_mbit_s" => ("rate of each host", "Mbit/s"),
        "reorder_percent" => ("packets that overtake", "%"),
        "sessions" => ("sessions in parallel", ""),
        "streams" => ("streams per agent", ""),
        "threshold" => ("threshold", ""),
        "tls" => ("TLS", ""),
        other => (other, ""),
    }
}

/// The unit of a key in the singular: what one more of it is.
pub(super) fn one_more(of: &str) -> String {
    match key(of) {
        ("agents", _) => "agent".to_owned(),
        ("peers", _) => "peer".to_owned(),
        ("sessions in parallel", _) => "session".to_owned(),
        ("streams per agent", _) => "stream".to_owned(),
        ("bits of a reading", _) => "bit".to_owned(),
        ("elements of a vector", _) => "element".to_owned(),
        ("cores per host", _) => "core".to_owned(),
        (name, "") => format!("step of {name}"),
        (name, unit) => format!("{unit} of {}", name.split(',').next().unwrap_or(name)),
    }
}

pub(super) fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Murmuration => "Murmuration",
        Subject::PlainMqtt => "plain MQTT",
        Subject::Mpyc => "MPyC",
    }
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Agents => "all agents",
        Role::Broker => "the broker",
        Role::Peer => "a peer",
        Role::Site => "the site",
    }
}

pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Sharing => "sharing",
        Phase::Transport => "transport",
        Phase::Agreement => "agreement",
        Phase::Validity => "validity",
        Phase::Computation => "computation",
        Phase::Opening => "opening",
        Phase::Publication => "publication",
        Phase::Whole => "whole window",
    }
}

/// What a measure is to people, its unit, and by how much its numbers are divided to be in it.
pub(super) fn measure(measure: Measure) -> (&'static str, &'static str, f64) {
    match measure {
        Measure::WallMs => ("time", "ms", 1.0),
        Measure::CpuMs => ("CPU time", "ms", 1.0),
        Measure::CpuCycles => ("CPU cycles", "million", 1e6),
        Measure::CpuInstructions => ("instructions", "million", 1e6),
        Measure::RssPeakBytes => ("peak memory", "MiB", 1_048_576.0),
        Measure::HeapPeakBytes => ("peak heap", "MiB", 1_048_576.0),
        Measure::HeapLiveBytes => ("live heap", "MiB", 1_048_576.0),
        Measure::StackPeakBytes => ("peak stack", "KiB", 1024.0),
        Measure::WireSentBytes => ("sent on the wire", "kB", 1e3),
        Measure::WireSentPackets => ("packets sent", "", 1.0),
        Measure::NetworkOverheadBytes => ("TCP and IP overhead", "kB", 1e3),
        Measure::TlsOverheadBytes => ("TLS overhead", "kB", 1e3),
        Measure::MqttOverheadBytes => ("MQTT overhead", "kB", 1e3),
        Measure::PayloadBytes => ("payload", "kB", 1e3),
        Measure::OwnOverheadBytes => ("own overhead", "kB", 1e3),
        Measure::MessagesCount => ("messages", "", 1.0),
        Measure::RoundsCount => ("rounds", "", 1.0),
        Measure::ProductsCount => ("products", "", 1.0),
        Measure::CoveredPercent => ("readings covered", "%", 1.0),
        Measure::LostCount => ("windows lost", "", 1.0),
    }
}

/// A name with its unit: "time, ms".
pub(super) fn with_unit(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name}, {unit}") }
}

/// A number with as many digits as matter.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if !value.is_finite() => return "-".to_owned(),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size >= 0.001 => format!("{value:.3}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.1e}"),
    };
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        grouped(&text)
    }
}

/// 12345 as 12,345.
fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    if digits.len() < 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|chunk| str::from_utf8(chunk).ok()).collect();
    format!("{sign}{}", groups.join(","))
}

/// A median with its interval, in the unit of its measure.
pub(super) fn median(of: Measure, median: &Median) -> String {
    let (_, _, scale) = measure(of);
    let Median { median, low, high, .. } = *median;
    let [median, low, high] = [median, low, high].map(|value| number(value / scale));
    if low == high { median } else { format!("{median} ({low} to {high})") }
}
