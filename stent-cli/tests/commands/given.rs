//! Command lines that are refused, and what never shows.

use std::process::Stdio;

use crate::place::{Place, Ran, program};

fn refused(arguments: &[&str]) -> String {
    let ran = Ran::of(program(arguments).output().unwrap());
    assert_eq!((ran.exit, ran.text.as_str()), (2, ""), "{arguments:?}");
    assert!(ran.told.starts_with("error[STENT-2001]: ") && ran.told.lines().count() == 1, "{}", ran.told);
    ran.told
}

#[test]
fn what_is_no_duration_is_refused_with_the_forms() {
    for text in ["10", "1x", "-5s", "", "1h30", "1e400s", "９s", "0s"] {
        for arguments in [["list", "--since", text], ["cleanup", "--older-than", text]] {
            let told = refused(&arguments);
            let form = if text == "0s" { "expected more than zero, in forms" } else { "expected forms" };
            assert!(told.contains(&format!("{form} like 90s, 1h30m, 2d")), "{arguments:?}: {told}");
        }
    }
}

#[test]
fn every_other_argument_is_refused_in_one_line() {
    for arguments in [
        &[][..],
        &["dlq"],
        &["list"],
        &["list", "--db", "orders.db"],
        &["list", "--db", "sqlite:"],
        &["list", "--db", "sqlite:x.db", "--schema", "s"],
        &["list", "--limit", "0"],
        &["list", "--limit", "1001"],
        &["list", "--limit", "-1"],
        &["list", "--limit", "9e18"],
        &["list", "--db", "./postgres-data.db"],
        &["list", "--db", "mysql://me@here/orders"],
        &["watch", "--times", "0"],
        &["list", "--state", "lost"],
        &["list", "--after", "7"],
        &["show", "7"],
        &["cleanup"],
        &["nothing"],
        &["dispatch", "f", "7"],
        &["dispatch", "f", "[7"],
        &["dispatch", "f", "{}"],
        &["dispatch", "no name", "[]"],
        &["dispatch", "f", "[]", "--delay", "7"],
        &["dispatch", "f", "[]", "--max-attempts", "0"],
    ] {
        refused(arguments);
    }
    assert!(refused(&["list", "--state", "lost"]).contains("expected one of scheduled, pending, running"));
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf8_is_refused_by_its_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    for (before, name) in [(&["list", "--queue"][..], "--queue"), (&["show"], "argument 2")] {
        let ran = Ran::of(program(before).arg(OsStr::from_bytes(b"\xff")).output().unwrap());
        assert_eq!(
            (ran.exit, ran.told),
            (2, format!("error[STENT-2001]: {name} is not UTF-8; give it as UTF-8 text\n"))
        );
    }
}

#[test]
fn a_password_shows_nowhere() {
    let url = "postgres://me:s3cret@127.0.0.1:1/none";
    for (arguments, exit) in [(&["list", "--db", url][..], 4), (&[url], 2), (&["list", "--after", url], 2)] {
        let ran = Ran::of(program(arguments).output().unwrap());
        assert_eq!(ran.exit, exit, "{}", ran.told);
        assert!(!ran.told.contains("s3cret"), "{}", ran.told);
        assert_eq!(ran.told.starts_with("warning: "), exit == 4, "{}", ran.told);
    }
    let ran = Ran::of(program(&["list"]).env("STENT_DB", url).output().unwrap());
    assert!(ran.exit == 4 && ran.told.starts_with("error[STENT-4001]: "), "{}", ran.told);
}

#[tokio::test]
async fn what_belongs_to_another_program_is_left_alone() {
    let letter = Place::sqlite();
    std::fs::write(letter.file("stent.db"), "a letter to a friend, and no database at all").unwrap();
    let shop = Place::sqlite();
    shop.make("CREATE TABLE orders (id INTEGER PRIMARY KEY)").await;
    for (place, exit) in [(letter, 5), (shop, 5)] {
        let before = std::fs::read(place.file("stent.db")).unwrap();
        for arguments in [&["migrate", "--create"][..], &["list"], &["doctor"]] {
            let ran = place.run(arguments);
            assert!(ran.exit == exit && ran.told.starts_with("error[STENT-5002]: "), "{arguments:?}: {}", ran.told);
        }
        assert!(std::fs::read(place.file("stent.db")).unwrap() == before, "nothing was written");
    }
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let mut child = program(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
}
