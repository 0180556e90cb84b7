use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;

fn file(content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn zipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn columns(values: &[&str], agent: Option<(&str, Option<&str>)>) -> Columns {
    let own = |text: &str| text.to_owned();
    Columns {
        time: own("minute"),
        agent: agent.map(|(column, only)| AgentColumn { column: own(column), only: only.map(own) }),
        values: values.iter().map(|name| own(name)).collect(),
        delimiter: Delimiter::default(),
    }
}

type Told = (u64, Option<String>, Vec<Cell>);

fn read(content: &[u8], columns: Columns) -> Result<Vec<Told>, Flaw> {
    let file = file(content);
    let mut rows = CsvRows::open(file.path(), columns).map_err(|error| error.flaw().clone())?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(|error| error.flaw().clone())? {
        all.push((row.at().as_micros() / 1_000_000, row.agent().map(str::to_owned), row.cells().collect()));
    }
    Ok(all)
}

fn value(number: f64) -> Cell {
    Cell::Reading(Reading::new(number).unwrap())
}

const TABLE: &str = "\
minute,room,co2,motion,\"odd, name\"
60,413,612.5,0,
60,415,,true,x
120,413,nan,1,579.27
";

#[test]
fn cells_are_told_plain_or_zipped() {
    let expected = vec![
        (60, Some("413".to_owned()), vec![value(612.5), Cell::Empty]),
        (60, Some("415".to_owned()), vec![Cell::Empty, Cell::Unusable(GapReason::Unparsable)]),
        (120, Some("413".to_owned()), vec![Cell::Unusable(GapReason::NotANumber), value(579.27)]),
    ];
    for content in [TABLE.as_bytes().to_vec(), zipped(TABLE.as_bytes())] {
        let columns = columns(&["co2", "odd, name"], Some(("room", None)));
        assert_eq!(read(&content, columns), Ok(expected.clone()));
    }
    let mut halves = zipped(&TABLE.as_bytes()[..50]);
    halves.extend(zipped(&TABLE.as_bytes()[50..]));
    let told = read(&halves, columns(&["co2", "odd, name"], Some(("room", None))));
    assert_eq!(told, Ok(expected), "several gzip members");
}

#[test]
fn one_agents_rows_are_picked() {
    let told = read(TABLE.as_bytes(), columns(&["motion"], Some(("room", Some("413")))));
    let own = |at, motion| (at, Some("413".to_owned()), vec![value(motion)]);
    assert_eq!(told, Ok(vec![own(60, 0.0), own(120, 1.0)]));
    let nobody = read(TABLE.as_bytes(), columns(&["motion"], Some(("room", Some("4")))));
    assert_eq!(nobody, Ok(vec![]));
}

#[test]
fn rows_of_others_need_no_order() {
    let table = b"minute,room,co2\n60,a,1\n120,a,2\n60,b,3\n120,b,4\n";
    let told = read(table, columns(&["co2"], Some(("room", Some("b")))));
    assert_eq!(told.map(|rows| rows.len()), Ok(2));
    let flaw = read(table, columns(&["co2"], Some(("room", None)))).unwrap_err();
    let (time, before) = (Timestamp::from_secs(60), Timestamp::from_secs(120));
    assert_eq!(flaw, Flaw::TimeBackwards { line: 4, column: "minute".into(), time, before });
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let table = b"\xef\xbb\xbfminute, co2 \r\n60, 1 \r\n\r\n120,2\r\n";
    let told = read(table, columns(&["co2"], None));
    assert_eq!(told, Ok(vec![(60, None, vec![value(1.0)]), (120, None, vec![value(2.0)])]));
}

#[test]
fn flaws_are_named_with_their_place() {
    let co2 = || columns(&["co2"], None);
    let missing = Flaw::ColumnMissing { column: "co2".into(), present: vec!["minute".into(), "x".into()] };
    for (table, flaw) in [
        (&b"minute,x\n"[..], missing),
        (b"minute,co2,co2\n", Flaw::ColumnTwice { column: "co2".into() }),
        (b"minute,co2\n60,1\n61\n", Flaw::Ragged { line: 3, expected: 2, found: 1 }),
        (b"minute,co2\n60,1\n61,\xff\n", Flaw::Encoding { line: 3 }),
        (
            b"minute,co2\n60,1\n61,1\nnoon,2\n",
            Flaw::BadTime { line: 4, column: "minute".into(), text: "noon".into() },
        ),
        (&zipped(TABLE.as_bytes())[..40], Flaw::Unreadable(io::ErrorKind::UnexpectedEof)),
    ] {
        assert_eq!(read(table, co2()), Err(flaw), "{:?}", String::from_utf8_lossy(table));
    }
    assert!(matches!(read(b"", co2()), Err(Flaw::ColumnMissing { .. })), "an empty file");
}

#[test]
fn a_missing_file_is_named() {
    let error = CsvRows::open(Path::new("no/such/table.csv"), columns(&["co2"], None)).unwrap_err();
    assert_eq!(error.to_string(), "no/such/table.csv: can't be read: entity not found");
    assert!(CsvRows::open(&std::env::temp_dir(), columns(&["co2"], None)).is_err(), "a folder");
}

#[test]
fn an_endless_row_is_not_taken_into_memory() {
    let mut table = b"minute,co2\n60,1\n120,\"".to_vec();
    table.extend(std::iter::repeat_n(b"1\n", 5 << 20).flatten());
    for content in [zipped(&table), table] {
        assert_eq!(read(&content, columns(&["co2"], None)), Err(Flaw::LongRow { line: 3, max: MAX_ROW }));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(content in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut table = b"minute,co2\n".to_vec();
        table.extend(content);
        let _ = read(&table, columns(&["co2"], None));
        let _ = read(&zipped(&table), columns(&["co2"], None));
    }

    #[test]
    fn every_row_is_told_once_and_in_order(
        rows in prop::collection::vec((0_u64..1000, 0_u8..5, prop::option::of(-1e6..1e6_f64)), 0..50),
    ) {
        let mut rows = rows;
        rows.sort_by_key(|row| row.0);
        let mut table = String::from("minute,room,co2\n");
        for (at, room, co2) in &rows {
            table += &format!("{at},{room},{}\n", co2.map(|value| value.to_string()).unwrap_or_default());
        }
        let expected: Vec<Told> = rows.iter().map(|(at, room, co2)| {
            (*at, Some(room.to_string()), vec![co2.map_or(Cell::Empty, value)])
        }).collect();
        let told = read(table.as_bytes(), columns(&["co2"], Some(("room", None))));
        prop_assert_eq!(told, Ok(expected));
    }
}
