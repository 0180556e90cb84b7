//! Scenarios: grids, and what is refused about them.

use std::collections::BTreeSet;
use std::path::Path;

use assessment::Parameters;
use assessment::meter::Machine;
use assessment::scenario::{KEYS, Point, Scenario, ScenarioError, value_of};

fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    let text = format!("title = \"a\"\nquestion = \"b\"\n{text}");
    Scenario::parse(Path::new("a.toml"), &text)
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_grid_is_every_combination() {
    let scenario = parse(
        "[fixed]\nthreshold = \"(n-1)/2\"\nfunction = \"max\"\n[vary]\npeers = [3, 5, 9]\nlatency_ms = [1, 10]\n",
    )
    .unwrap();
    let of = |p: &Parameters| (p.peers, p.threshold, p.latency_ms as u32);
    let have: BTreeSet<_> = scenario.points.iter().map(|point| of(&point.parameters)).collect();
    assert_eq!(have, BTreeSet::from([(3, 1, 1), (3, 1, 10), (5, 2, 1), (5, 2, 10), (9, 4, 1), (9, 4, 10)]));
    assert_eq!(scenario.varied, ["peers", "latency_ms"]);
    assert!(scenario.points.iter().all(|point| point.parameters.function == "max"));
}

#[test]
fn what_goes_together_is_no_combination() {
    let scenario =
        parse("[[zip]]\nagents = [10, 100]\nstreams = [10, 1]\n[vary]\ntls = [true, false]\n").unwrap();
    let of =
        |key: &str| scenario.points.iter().map(|point| value_of(&point.parameters, key)).collect::<Vec<_>>();
    assert_eq!(of("agents"), ["10", "10", "100", "100"]);
    assert_eq!(of("streams"), ["10", "10", "1", "1"]);
}

#[test]
fn without_anything_to_vary_there_is_one_point() {
    assert_eq!(parse("").unwrap().points.len(), 1);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_what_there_is() {
    let told = refused("[vary]\npeer = [3]\n");
    assert!(
        told.starts_with("a.toml, line 4: `peer`: there is no such parameter; there are peers, "),
        "{told}"
    );
    let told = refused("repetition = 3\n");
    assert!(told.contains("line 3") && told.contains("`repetitions`"), "{told}");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_its_line() {
    let told = refused("[vary]\npeers = [3, \"five\"]\n");
    assert!(told.starts_with("a.toml, line 4: `peers`: ") && told.contains("five"), "{told}");
}

#[test]
fn impossible_points_are_refused_with_the_key_and_the_remedy() {
    for (text, says) in [
        (
            "[vary]\npeers = [3, 5]\nthreshold = [2]\n",
            "peers = 3, threshold = 2 can't be played: peers and threshold: a threshold of 2 does not fit 3 peers: choose 1 to 1",
        ),
        ("[fixed]\nagents = 0\n", "agents = 0: write 3 to 10000"),
        (
            "[vary]\nfunction = [\"max\"]\nbatch = [10]\n",
            "computed on single numbers, and the quantity has 10 elements; try `vector_sum`",
        ),
        (
            "[vary]\nfunction = [\"maximum\"]\n",
            "there is no function `maximum`; `murmur functions` lists them all",
        ),
        (
            "[fixed]\nfunction = \"entropy\"\nbits = 20\n",
            "function = \"entropy\": entropy can't be computed of 50 readings of 20 bits",
        ),
        ("[fixed]\nlatency_ms = 1\njitter_ms = 2\n", "jitter_ms = 2: write 0 to 1"),
        ("[fixed]\nloss_percent = nan\n", "loss_percent = NaN: write 0 to 50"),
        ("[fixed]\nbits = 33\n", "bits = 33: write 1 to 32"),
        ("[fixed]\ncpu_percent = 0\n", "cpu_percent = 0: write 1 to"),
    ] {
        let told = refused(text);
        assert!(told.contains(says), "{text}\n{told}");
    }
}

#[test]
fn nothing_is_played_twice() {
    assert!(refused("[vary]\npeers = [3, 3]\n").contains("line 4: `peers`: 3 is there twice"));
    assert!(refused("[vary]\nlatency_ms = [1, 1.0]\n").contains("the point latency_ms = 1 is there twice"));
    assert!(refused("[fixed]\npeers = 3\n[vary]\npeers = [3, 5]\n").contains("set or varied in two places"));
    assert!(refused("baselines = [\"mpyc\", \"mpyc\"]\n").contains("twice"));
}

#[test]
fn a_grid_that_nobody_waits_for_is_refused() {
    let many: Vec<String> = (3..=200).map(|agents| agents.to_string()).collect();
    let many = many.join(", ");
    let told = refused(&format!("[vary]\nagents = [{many}]\nlatency_ms = [{many}]\n"));
    assert!(told.contains("more than 10000 points"), "{told}");
}

#[test]
fn columns_of_unequal_length_are_refused() {
    let told = refused("[[zip]]\nagents = [10, 100]\nstreams = [10]\n");
    assert!(told.contains("`streams`: it has 1 values and the others 2"), "{told}");
}

#[test]
fn more_cores_than_there_are_leave_the_point_out_and_say_so() {
    let machine = Machine { cores: 2, ..Machine::here() };
    let (scenario, notes) = parse("[vary]\ncores = [1, 2, 4]\n").unwrap().on_machine(&machine);
    assert_eq!(scenario.points.len(), 2);
    assert_eq!(notes, ["cores = 4 is left out: this machine has 2 cores"]);
}

#[test]
fn frequencies_that_the_machine_does_not_have_leave_the_point_out_and_say_so() {
    let asked = || parse("[vary]\nfrequency_mhz = [600, 1500]\n").unwrap();
    let none = Machine { frequency_mhz: None, ..Machine::here() };
    let (scenario, notes) = asked().on_machine(&none);
    assert!(scenario.points.is_empty() && notes.len() == 2, "{notes:?}");
    assert!(notes[0].ends_with("lets no frequency be set; cpu_percent can stand for it"), "{notes:?}");
    let (scenario, notes) = asked().on_machine(&Machine { frequency_mhz: Some((600, 1_200)), ..none });
    assert_eq!(scenario.points.len(), 1);
    assert_eq!(
        notes,
        ["frequency_mhz = 1500 is left out: this machine has frequencies from 600 to 1200 MHz"]
    );
}

#[test]
fn a_changed_grid_is_the_same_scenario_and_other_windows_are_not() {
    let digest = |text: &str| parse(text).unwrap().digest();
    assert_eq!(digest("[vary]\npeers = [3]\n"), digest("repetitions = 9\n[vary]\npeers = [3, 5]\n"));
    assert_ne!(digest(""), digest("windows = 20\n"));
}

#[test]
fn the_keys_are_those_of_the_parameters() {
    let parameters = Parameters { frequency_mhz: Some(1_000), ..Parameters::default() };
    let all = serde_json::to_value(parameters).unwrap();
    let have: BTreeSet<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(have, BTreeSet::from(KEYS));
}

#[test]
fn a_points_name_stays_with_its_parameters() {
    let point = |latency_ms| Point::new(Parameters { latency_ms, ..Parameters::default() });
    assert_ne!(point(5.0).id, point(5.5).id);
    // Journals on disks have it.
    assert_eq!(point(1.0).id.to_string(), "03bad6b7c2ef");
    assert_eq!(
        point(5.0).differs(&["latency_ms".to_owned(), "tls".to_owned()]),
        "latency_ms = 5, tls = false"
    );
}

#[test]
fn the_shipped_scenarios_can_be_played_and_have_figures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/scenarios");
    let mut varied = BTreeSet::new();
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let scenario = Scenario::load(&path).unwrap();
        for figure in &scenario.figures {
            assert!(scenario.varied.contains(&figure.x), "{}: {} is not varied", path.display(), figure.x);
        }
        assert!(!scenario.figures.is_empty() && scenario.points.len() > 1, "{}", path.display());
        varied.extend(scenario.varied);
        names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
    }
    // Each parameter in one at least.
    assert_eq!(varied, KEYS.into_iter().map(str::to_owned).collect());
    assert!(names.contains(&"quick".to_owned()) && names.len() == 20, "{names:?}");
}
