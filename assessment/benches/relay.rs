//! What the relay can do at most, what it costs, and how exact it is, beside the kernel's own emulation where there is one:
//! `cargo bench -p assessment --bench relay`.

#![allow(clippy::unwrap_used, reason = "a measurement may fail by panicking")]

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assessment::lab::{Calibration, Host, Impairment, Lab, LabOptions, Link, RelayCount};
use assessment::meter::Machine;

const COUNT: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    let machine = Machine::here();
    println!("{} cores, {}, Linux {}", machine.cores, machine.processor, machine.kernel);
    let mut lab = Lab::open(LabOptions { link: Link::Relay, ..LabOptions::default() }).await.unwrap();
    lab.notes().iter().for_each(|note| println!("{note}"));
    limits(&mut lab).await;
    println!("\nthe relay");
    exactness(lab).await;
    println!("\nnetem");
    match Lab::open(LabOptions { link: Link::Netem, ..LabOptions::default() }).await {
        Ok(lab) => exactness(lab).await,
        Err(error) => println!("{error}"),
    }
}

/// What the relay can do at most.
async fn limits(lab: &mut Lab) {
    let (before, free) = (lab.relay().unwrap(), lab.calibrate(&Impairment::NONE).await.unwrap());
    let after = lab.relay().unwrap();
    println!("floor of the latency   {:>10.3} ms", free.measured.latency_ms.median);
    println!("one TCP connection     {:>10.0} Mbit/s, {}", free.measured.tcp_mbit_s, cost(&before, &after));

    let hosts = [lab.host("near").await.unwrap(), lab.host("far").await.unwrap()];
    let before = lab.relay().unwrap();
    let per_second = tokio::task::spawn_blocking(move || flood(&hosts)).await.unwrap();
    println!(
        "packets of 64 bytes    {per_second:>10.0} per second, {}",
        cost(&before, &lab.relay().unwrap())
    );
}

/// What was asked beside what was measured.
async fn exactness(mut lab: Lab) {
    println!("{:<58}{:>28}{:>9}{:>9}{:>10}", "asked", "latency ms", "jitter", "loss %", "Mbit/s");
    for asked in networks() {
        tell(&lab.calibrate(&asked).await.unwrap());
    }
    lab.close().await.unwrap();
}

/// What the relay's thread took for each packet.
fn cost(before: &RelayCount, after: &RelayCount) -> String {
    let packets = after.delivered_packets - before.delivered_packets;
    let cpu_us = (after.cpu_ms - before.cpu_ms) * 1000.0;
    format!("{:.2} us of the relay's CPU time per packet", cpu_us / packets.max(1) as f64)
}

/// How many small packets arrive in a second of as many as can be sent.
fn flood([near, far]: &[Host; 2]) -> f64 {
    let bind = |host: &Host| host.inside(|| UdpSocket::bind((host.address(), 0))).unwrap().unwrap();
    let (sender, sink, over) = (bind(near), bind(far), AtomicBool::new(false));
    sender.connect(sink.local_addr().unwrap()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // What the queue of the device can't hold is lost.
                let _ = sender.send(&[0; 36]);
            }
        });
        let (began, from) = (Instant::now(), far.wire().unwrap().received_packets.unwrap());
        std::thread::sleep(COUNT);
        let arrived = far.wire().unwrap().received_packets.unwrap() - from;
        let seconds = began.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        arrived as f64 / seconds
    })
}

fn networks() -> Vec<Impairment> {
    let latency = |latency_ms| Impairment { latency_ms, ..Impairment::NONE };
    let mut networks = vec![latency(0.5), latency(1.0), latency(5.0), latency(20.0), latency(100.0)];
    networks.extend([1.0, 10.0, 100.0].map(|rate| Impairment { rate_mbit_s: Some(rate), ..latency(1.0) }));
    networks.extend([0.1, 1.0, 5.0].map(|loss_percent| Impairment { loss_percent, ..latency(5.0) }));
    networks.push(Impairment { jitter_ms: 5.0, ..latency(20.0) });
    networks
}

fn tell(calibration: &Calibration) {
    let Calibration { asked, measured, .. } = calibration;
    let rate = asked.rate_mbit_s.map_or("any".to_owned(), |rate| rate.to_string());
    let asked = format!(
        "{} ms, jitter {} ms, loss {} %, rate {rate}",
        asked.latency_ms, asked.jitter_ms, asked.loss_percent
    );
    let latency = measured.latency_ms;
    let latency = format!("{:.3} ({:.3} to {:.3})", latency.median, latency.low, latency.high);
    let rate = measured.rate_mbit_s.unwrap_or(measured.tcp_mbit_s);
    println!(
        "{asked:<58}{latency:>28}{:>9.2}{:>9.2}{rate:>10.2}  {}",
        measured.jitter_ms, measured.loss_percent, calibration.verdict
    );
}
