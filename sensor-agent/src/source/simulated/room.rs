//! The truth about a simulated room: a function of its settings, its name and the time alone.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::decimal::Decimal;
use smc_core::quantity::Quantity;
use smc_core::time::Timestamp;

use super::people::{Change, plan_day, uniform};
use super::settings::{Property, RoomSettings};

const DAY_S: u64 = 86_400;
/// Outdoor conditions are taken as constant for this long.
const TICK_S: u32 = 600;
/// How long one look of the motion detector lasts.
const MOTION_SLOT_S: u64 = 30;
/// CO2 that a person at a desk breathes out, m3/h.
const CO2_PER_PERSON: f64 = 0.0187;
/// Water that a person gives off, g/h.
const MOISTURE_PER_PERSON: f64 = 50.0;
/// Water outdoors, g/m3.
const OUTDOOR_MOISTURE: f64 = 6.0;
/// Sensible heat of a person, W.
const HEAT_PER_PERSON: f64 = 75.0;
/// Loss to the outside, W/(K m3).
const LOSS: f64 = 1.0;
/// What heating and cooling do about each kelvin away from [`SETPOINT`], W/(K m3).
const THERMOSTAT: f64 = 8.0;
/// degrees Celsius.
const SETPOINT: f64 = 21.5;
/// Heat that air, furniture and the walls' surface take up, J/(K m3).
const HEAT_CAPACITY: f64 = 20_000.0;

/// A room at a moment. What it shows at a time depends on settings, name and that time alone: neither on when
/// the simulation began nor on how often it is asked.
#[derive(Debug, Clone)]
pub struct Room {
    settings: RoomSettings,
    /// A hash of the name: what sets rooms of one seed apart.
    name: u64,
    now: Timestamp,
    /// Days since 1970, local time.
    day: u64,
    /// How clouds dim the day, 0.3 to 1.
    sky: f64,
    /// Today's changes that are still to come, the next one last.
    ahead: Vec<Change>,
    /// The air at `since`, seconds of the day, when something last changed.
    air: Air,
    since: u32,
    occupants: u32,
}

impl Room {
    /// The room of that name, at the beginning of 1970. Call [`Room::advance`] before reading it.
    pub fn new(name: &str, settings: RoomSettings) -> Self {
        let mut room = Self {
            settings,
            name: fnv(name),
            now: Timestamp::default(),
            day: 0,
            sky: 1.0,
            ahead: Vec::new(),
            air: Air::fresh(&settings),
            since: 0,
            occupants: 0,
        };
        room.begin(room.local(room.now) / DAY_S);
        room
    }

    /// Moves to `to`, forward or back.
    pub fn advance(&mut self, to: Timestamp) {
        self.now = to;
        let local = self.local(to);
        let (day, second) = (local / DAY_S, self.second());
        if day != self.day || second < self.since {
            self.begin(day);
        }
        self.run_until(second);
    }

    /// What a sensor of `property` shows now.
    pub fn read(&self, property: Property) -> f64 {
        match property {
            Property::Co2 => self.co2(),
            Property::Humidity => self.humidity(),
            Property::Illuminance => self.illuminance(),
            Property::Motion => f64::from(u8::from(self.motion())),
            Property::Occupancy => self.occupants.into(),
            Property::Power => self.power(),
            Property::Temperature => self.temperature(),
        }
    }

    /// What a sensor called `stream` of vectors shows now: numbers on the steps of `quantity`, all equally likely.
    pub fn vector(&self, stream: &str, quantity: &Quantity) -> impl Iterator<Item = f64> + use<> {
        let [minimum, maximum, step] =
            [quantity.minimum(), quantity.maximum(), quantity.resolution()].map(Decimal::to_f64);
        let steps = ((maximum - minimum) / step).round() + 1.0;
        let mut rng = self.rng(self.now.as_micros(), fnv(stream));
        let draw = move |_| (minimum + step * (uniform(&mut rng) * steps).floor()).clamp(minimum, maximum);
        (0..quantity.elements()).map(draw)
    }

    /// People in the room.
    pub fn occupants(&self) -> u32 {
        self.occupants
    }

    /// ppm.
    pub fn co2(&self) -> f64 {
        self.air_now().co2
    }

    /// degrees Celsius.
    pub fn temperature(&self) -> f64 {
        self.air_now().temperature
    }

    /// Percent, relative.
    pub fn humidity(&self) -> f64 {
        let air = self.air_now();
        // Magnus' formula, and the gas law for water vapour: g/m3 at saturation.
        let pressure = 6.112 * (17.62 * air.temperature / (243.12 + air.temperature)).exp();
        let saturation = 216.7 * pressure / (273.15 + air.temperature);
        (100.0 * air.moisture / saturation).clamp(0.0, 100.0)
    }

    /// lx: daylight from 6 to 19 o'clock, and the lamps when somebody is in.
    pub fn illuminance(&self) -> f64 {
        let hour = self.local_seconds() / 3600.0;
        let sun = (std::f64::consts::PI * (hour - 6.0) / 13.0).sin();
        let daylight = if (6.0..=19.0).contains(&hour) { 350.0 * self.sky * sun } else { 0.0 };
        daylight.max(0.0) + if self.occupants > 0 { 320.0 } else { 0.0 }
    }

    /// W: standby, the lamps, and a workplace per person.
    pub fn power(&self) -> f64 {
        let lamps = if self.occupants > 0 { 3.0 * self.settings.volume_m3 } else { 0.0 };
        6.0 + lamps + 65.0 * f64::from(self.occupants)
    }

    /// Whether the detector sees somebody move: the more people, the surer.
    pub fn motion(&self) -> bool {
        let slot = self.now.as_micros() / 1_000_000 / MOTION_SLOT_S;
        let still = 0.3_f64.powi(i32::try_from(self.occupants).unwrap_or(i32::MAX));
        uniform(&mut self.rng(slot, 1)) >= still
    }

    /// The air a while after the last change. Computed from that change on each time: steps of different length
    /// would round differently.
    fn air_now(&self) -> Air {
        let fraction = self.local_seconds() - f64::from(self.since);
        self.air.after(fraction, self.occupants, self.outdoor_temperature(), &self.settings)
    }

    /// Starts the day: with the air that the day before left, which itself started with fresh air.
    fn begin(&mut self, day: u64) {
        self.air = Air::fresh(&self.settings);
        if let Some(yesterday) = day.checked_sub(1) {
            self.start(yesterday);
            self.run_until(DAY_S as u32);
        }
        self.start(day);
    }

    fn start(&mut self, day: u64) {
        let mut rng = self.rng(day, 0);
        self.sky = 0.3 + 0.7 * uniform(&mut rng);
        // 1970 began on a Thursday.
        let working_day = !matches!((day + 4) % 7, 0 | 6);
        self.ahead = plan_day(self.settings.people_max, working_day, &mut rng);
        self.ahead.reverse();
        (self.day, self.since, self.occupants) = (day, 0, 0);
    }

    /// Works off all changes up to `second`, people's and the ticks of the outdoor conditions.
    fn run_until(&mut self, second: u32) {
        loop {
            let tick = (self.since / TICK_S + 1) * TICK_S;
            let change = self.ahead.last().copied().filter(|change| change.second <= tick);
            let at = change.map_or(tick, |change| change.second);
            if at > second {
                return;
            }
            let elapsed = f64::from(at - self.since);
            self.air = self.air.after(elapsed, self.occupants, self.outdoor_temperature(), &self.settings);
            self.since = at;
            if let Some(change) = change {
                self.occupants = change.occupants;
                self.ahead.pop();
            }
        }
    }

    /// Coldest at 3, warmest at 15 o'clock, as of the last tick.
    fn outdoor_temperature(&self) -> f64 {
        let hour = f64::from(self.since / TICK_S * TICK_S) / 3600.0;
        self.settings.outdoor_temperature_c + 5.0 * (std::f64::consts::TAU * (hour - 15.0) / 24.0).cos()
    }

    /// Local time in seconds since 1970.
    fn local(&self, at: Timestamp) -> u64 {
        let offset = (self.settings.utc_offset_h * 3600.0) as i64;
        (at.as_micros() / 1_000_000).saturating_add_signed(offset)
    }

    fn second(&self) -> u32 {
        u32::try_from(self.local(self.now) % DAY_S).unwrap_or(0)
    }

    /// Local seconds of the day, with their fraction.
    fn local_seconds(&self) -> f64 {
        f64::from(self.second()) + (self.now.as_micros() % 1_000_000) as f64 / 1e6
    }

    fn rng(&self, moment: u64, purpose: u64) -> ChaCha20Rng {
        let mut seed = [0; 32];
        let words = [self.settings.seed, self.name, moment, purpose];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha20Rng::from_seed(seed)
    }
}

/// FNV-1a: stable across versions and machines, unlike the standard library's hasher.
fn fnv(text: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, fold)
}

/// What the air holds: ppm, g/m3, degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Air {
    co2: f64,
    moisture: f64,
    temperature: f64,
}

impl Air {
    fn fresh(settings: &RoomSettings) -> Self {
        Self { co2: settings.outdoor_co2_ppm, moisture: OUTDOOR_MOISTURE, temperature: SETPOINT }
    }

    /// The solution of three balances of the form dx/dt = rate (level - x), with everything else held constant:
    /// x moves towards its level by 1 - e^(-rate t).
    ///
    /// CO2: dC/dt = 10^6 g n/V - a (C - C_out), g per person, n people, V volume, a air changes; moisture likewise.
    /// Heat: c dT/dt = h n/V - loss (T - T_out) - thermostat (T - setpoint), c heat capacity, h per person.
    fn after(self, seconds: f64, people: u32, outdoor_c: f64, settings: &RoomSettings) -> Self {
        let approach = |x: f64, level: f64, rate: f64| level + (x - level) * (-rate * seconds).exp();
        let (changes, volume) = (settings.air_changes_per_hour, settings.volume_m3);
        let density = f64::from(people) / volume;
        let warmth = HEAT_PER_PERSON * density + LOSS * outdoor_c + THERMOSTAT * SETPOINT;
        Self {
            co2: approach(
                self.co2,
                settings.outdoor_co2_ppm + 1e6 * CO2_PER_PERSON * density / changes,
                changes / 3600.0,
            ),
            moisture: approach(
                self.moisture,
                OUTDOOR_MOISTURE + MOISTURE_PER_PERSON * density / changes,
                changes / 3600.0,
            ),
            temperature: approach(
                self.temperature,
                warmth / (LOSS + THERMOSTAT),
                (LOSS + THERMOSTAT) / HEAT_CAPACITY,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// A Tuesday.
    const MIDNIGHT: Timestamp = Timestamp::from_secs(1_767_657_600);

    fn at(hour: f64) -> Timestamp {
        MIDNIGHT + Duration::from_secs_f64(hour * 3600.0)
    }

    fn all(room: &Room) -> [u64; 7] {
        use Property::*;
        [Co2, Humidity, Illuminance, Motion, Occupancy, Power, Temperature].map(|p| room.read(p).to_bits())
    }

    proptest! {
        #[test]
        fn the_truth_depends_on_the_time_alone(
            seed: u64, hours in prop::collection::vec(0.0..72.0_f64, 1..20), offset in -14.0..14.0_f64,
        ) {
            let settings = RoomSettings { utc_offset_h: offset, ..RoomSettings::office(seed) };
            let mut wanderer = Room::new("room-101", settings);
            for hour in hours {
                wanderer.advance(at(hour));
                let mut direct = Room::new("room-101", settings);
                direct.advance(at(hour));
                prop_assert_eq!(all(&wanderer), all(&direct));
            }
        }

        #[test]
        fn readings_stay_plausible(seed: u64, hour in 0.0..168.0_f64, people in 0_u32..6) {
            let mut room = Room::new("x", RoomSettings { people_max: people, ..RoomSettings::office(seed) });
            room.advance(at(hour));
            prop_assert!((425.0..=1400.0).contains(&room.co2()), "{} ppm", room.co2());
            prop_assert!((17.0..=25.0).contains(&room.temperature()), "{} degC", room.temperature());
            prop_assert!((20.0..=80.0).contains(&room.humidity()), "{} %", room.humidity());
            prop_assert!((0.0..=670.0).contains(&room.illuminance()), "{} lx", room.illuminance());
            prop_assert!(room.occupants() <= people);
            prop_assert!(room.occupants() > 0 || !room.motion(), "nobody moves in an empty room");
        }
    }

    #[test]
    fn co2_keeps_the_mass_balance() {
        let mut room = Room::new("x", RoomSettings::office(3));
        // Against small Euler steps of dC/dt = 10^6 g n/V - a (C - C_out), over a working day.
        let (step, mut co2) = (0.25, 425.0);
        for n in 0..(20.0 * 3600.0 / step) as u32 {
            room.advance(at(f64::from(n) * step / 3600.0));
            if n % 2400 == 0 {
                assert!((room.co2() - co2).abs() < 2.0, "{} and {co2}", room.co2());
            }
            let source = 1e6 * CO2_PER_PERSON * f64::from(room.occupants()) / 60.0;
            co2 += step / 3600.0 * (source - 2.0 * (co2 - 425.0));
        }
    }

    #[test]
    fn a_day_has_a_rhythm_and_rooms_differ() {
        let mut rooms: Vec<_> =
            (0..20).map(|n| Room::new(&format!("room-{n}"), RoomSettings::office(1))).collect();
        let mut people = |hour| -> u32 {
            rooms
                .iter_mut()
                .map(|room| {
                    room.advance(at(hour));
                    room.occupants()
                })
                .sum()
        };
        assert_eq!((people(4.0), people(23.9)), (0, 0));
        assert!(people(11.0) > 30, "{}", people(11.0));
        assert!(people(11.0 + 96.0) < 10, "Saturday");
        rooms.iter_mut().for_each(|room| room.advance(at(15.0)));
        let levels: std::collections::BTreeSet<_> = rooms.iter().map(|room| room.co2().to_bits()).collect();
        assert_eq!(levels.len(), rooms.len());
    }

    #[test]
    fn an_empty_room_stays_empty() {
        let mut room = Room::new("x", RoomSettings { people_max: 0, ..RoomSettings::office(1) });
        for hour in 0..48 {
            room.advance(at(hour.into()));
            assert_eq!((room.occupants(), room.motion(), room.co2()), (0, false, 425.0));
        }
    }

    #[test]
    fn motion_follows_people() {
        let mut room = Room::new("x", RoomSettings::office(1));
        let (mut seen, mut occupied) = (0, 0);
        for slot in 0..2880 {
            room.advance(at(f64::from(slot) / 120.0));
            occupied += u32::from(room.occupants() > 0);
            seen += u32::from(room.motion());
        }
        assert!(occupied > 300 && seen * 10 > occupied * 7 && seen <= occupied, "{seen} of {occupied}");
    }
}
