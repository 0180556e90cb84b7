//! Reports, of samples that a formula gave: what they must say is known.

use std::path::Path;

use assessment::journal::Recorded;
use assessment::report::{FILES, Report, ReportError};
use assessment::scenario::Scenario;
use assessment::{PlayError, Subject};

use crate::closed::{Formula, whole_ms};
use crate::sweeping::{run, scenario, sweep};

const FIGURES: &str = "repetitions = 3\nbaselines = [\"plain_mqtt\"]\n\
    [vary]\npeers = [3, 5, 7, 9]\nlatency_ms = [1, 10]\n\
    [[figure]]\nx = \"peers\"\nper = \"latency_ms\"\n\
    [[figure]]\nx = \"latency_ms\"\nper = \"peers\"\nscale = \"log\"\n\
    [[figure]]\nx = \"peers\"\ny = \"wire_sent_bytes\"\nrole = \"peer\"\n";

async fn swept(folder: &Path, scenario: &Scenario, stage: &mut Formula) -> Recorded {
    run(sweep(folder, scenario), stage).await.unwrap();
    Recorded::read(folder).unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[tokio::test]
async fn figures_say_in_a_sentence_what_the_formula_says() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(FIGURES);
    let recorded = swept(folder.path(), &scenario, &mut Formula::default()).await;
    let report = Report::of(&scenario, &recorded, &[]).unwrap();
    let sentences: Vec<&str> =
        report.figures.iter().flat_map(|drawn| &drawn.sentences).map(String::as_str).collect();
    // 0.9 ms per peer, from 10 + 2.7 + 10 to 10 + 8.1 + 10.
    let peers =
        "Murmuration, latency_ms = 1: grows by 0.9 ms per peer, from 3 to 9 (peers): 22.7 to 28.1 ms.";
    assert!(sentences.contains(&peers), "{sentences:#?}");
    let plain = "plain MQTT, latency_ms = 10: grows by 0.45 ms per peer, from 3 to 9 (peers): 56.4 to 59 ms.";
    assert!(sentences.contains(&plain), "{sentences:#?}");
    let latency = "Murmuration, peers = 3: grows from 22.7 to 113 ms, 4.96 times, from 1 ms to 10 ms (latency, one way), which \
                   is 10 times.";
    assert!(sentences.contains(&latency), "{sentences:#?}");
    let bytes = "Murmuration, latency_ms = 1: grows by 1 kB per peer, from 3 to 9 (peers): 3 to 9 kB.";
    assert!(sentences.contains(&bytes), "{sentences:#?}");
}

#[tokio::test]
async fn medians_intervals_and_ratios_are_those_of_the_formula() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(FIGURES);
    let recorded = swept(folder.path(), &scenario, &mut Formula::default()).await;
    let report = Report::of(&scenario, &recorded, &[]).unwrap();
    let dots = || report.figures[0].series.iter().filter(|series| series.subject == Subject::Murmuration);
    assert_eq!(dots().flat_map(|series| &series.dots).count(), 8);
    let point = &report.points[0];
    let dot = &dots().next().unwrap().dots[0];
    assert!((dot.median.median - whole_ms(&point.parameters)).abs() < 1e-9);
    // Twelve samples: four windows 0.01 ms apart in each of three repetitions; of these the third from both ends.
    assert!((dot.median.high - dot.median.low - 0.03).abs() < 1e-9 && dot.median.samples == 12, "{dot:?}");
    assert!((95.0..97.0).contains(&dot.median.confidence_percent), "{dot:?}");
    assert!(!report.ratios.is_empty() && report.ratios.iter().all(|ratio| (ratio.times - 2.0).abs() < 1e-6));
}

#[tokio::test]
async fn all_files_are_written_and_every_number_is_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(FIGURES);
    let recorded = swept(folder.path(), &scenario, &mut Formula::default()).await;
    Report::of(&scenario, &recorded, &[]).unwrap().write(folder.path(), &recorded).unwrap();
    for name in FILES {
        assert!(!read(folder.path(), name).is_empty(), "{name}");
    }
    if let Some(kept) = std::env::var_os("KEEP_REPORT") {
        std::fs::copy(folder.path().join("report.html"), kept).unwrap();
    }
    let mut table = csv::Reader::from_path(folder.path().join("observations.csv")).unwrap();
    let columns: Vec<String> = table.headers().unwrap().iter().map(str::to_owned).collect();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    // Two subjects, three repetitions: four windows each and a number for each peer.
    assert_eq!(rows.len(), 2 * 3 * 2 * (4 * 4 + 3 + 5 + 7 + 9));
    let sum: f64 = rows
        .iter()
        .filter(|row| &row[column("measure")] == "wall_ms" && &row[column("subject")] == "murmuration")
        .map(|row| row[column("value")].parse::<f64>().unwrap())
        .sum();
    let formula: f64 = scenario.points.iter().map(|point| 12.0 * whole_ms(&point.parameters)).sum();
    assert!((sum - formula).abs() < 1e-6, "{sum} {formula}");
    let json: serde_json::Value = serde_json::from_str(&read(folder.path(), "report.json")).unwrap();
    assert_eq!(json["extent"]["runs"], 48);
    assert_eq!(json["header"]["seed"], 7);
}

#[tokio::test]
async fn the_page_needs_nothing_beside_it_and_escapes_what_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = scenario(FIGURES);
    scenario.title = "<script>alert(1)</script> & more".to_owned();
    let recorded = swept(folder.path(), &scenario, &mut Formula::default()).await;
    Report::of(&scenario, &recorded, &[]).unwrap().write(folder.path(), &recorded).unwrap();
    let page = read(folder.path(), "report.html");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"));
    assert!(page.contains("nothing is emulated &lt;here&gt;"));
    for foreign in ["<script", "<link", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // One each for peers and latency, with a line for each value of the other, and one for bytes.
    assert_eq!(page.matches("<svg ").count(), 3);
    assert!(page.contains("@media print"));
    assert!(page.contains("Calibration of the links") && page.contains("<td>fits</td>"));
    let markdown = read(folder.path(), "report.md");
    assert!(markdown.contains("# &lt;script>alert(1)&lt;/script> & more"), "{markdown}");
}

#[tokio::test]
async fn what_failed_twice_is_told_and_what_was_measured_in_the_end_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario("repetitions = 2\n[[figure]]\nx = \"peers\"\n");
    let died = |how: &str| PlayError::Died { node: "peer-2".to_owned(), how: how.to_owned() };
    // Repetition 1 fails, 2 fails, 1 comes to something, 2 fails again.
    let mut stage = Formula { script: [died("a"), died("b")].into(), ..Formula::default() };
    let recorded = swept(folder.path(), &scenario, &mut stage).await;
    assert!(Report::of(&scenario, &recorded, &[]).unwrap().failed.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let three = Scenario { repetitions: 3, ..scenario.clone() };
    let mut stage = Formula { script: vec![died("<a>"); 5].into(), ..Formula::default() };
    let recorded = swept(folder.path(), &three, &mut stage).await;
    let report = Report::of(&three, &recorded, &[]).unwrap();
    assert_eq!((report.failed.len(), report.extent.runs), (2, 1));
    report.write(folder.path(), &recorded).unwrap();
    let page = read(folder.path(), "report.html");
    assert!(page.contains("repetition 1: peer-2 ended before it should: &lt;a&gt;"), "{page}");
}

#[tokio::test]
async fn without_a_run_there_is_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario("repetitions = 1\n");
    let mut stage = Formula { script: [PlayError::Impossible("no".to_owned())].into(), ..Formula::default() };
    let recorded = swept(folder.path(), &scenario, &mut stage).await;
    assert!(matches!(Report::of(&scenario, &recorded, &[]), Err(ReportError::Nothing)));
}
