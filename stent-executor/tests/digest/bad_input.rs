//! Bad input: one clear line, an exit code of its own, and nothing changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::Place;

/// Offsets in the header of a SQLite file (https://www.sqlite.org/fileformat.html, 1.3).
const USER_VERSION: usize = 60;
const APPLICATION_ID: usize = 68;

/// Everything in a place, by name, with its contents.
fn all(place: &Place) -> BTreeMap<String, Vec<u8>> {
    fn collect(path: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let contents = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            found.insert(path.display().to_string(), contents);
            if path.is_dir() {
                collect(&path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(place.path(), &mut found);
    found.retain(|name, _| !name.ends_with("/program"));
    found
}

/// The place with a directory `tree` to digest.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.file("tree")).unwrap();
    fs::write(place.file("tree/file"), "contents").unwrap();
    place
}

/// Runs the program, which must fail with this code and leave everything as it is; gives its line.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], code: i32) -> String {
    let before = all(place);
    let ended = place.run(arguments);
    let line = ended.error(code).to_owned();
    let after = all(place);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{line}");
    assert!(before == after, "a file was changed: {line}");
    println!("{arguments:?} => {code}: {line}");
    line
}

#[test]
fn wrong_arguments_are_named() {
    let place = place();
    assert_eq!(refused(&place, &[], 2), "which directory? see --help");
    assert_eq!(refused(&place, &["tree", "--dp", "x"], 2), "unknown option --dp; see --help");
    assert_eq!(refused(&place, &["tree", "--db"], 2), "--db needs a value; see --help");
    assert_eq!(refused(&place, &["tree", "tree"], 2), "one directory at a time; see --help");
    let concurrency = "--concurrency is a number from 1 to 256, not 0";
    assert_eq!(refused(&place, &["tree", "--concurrency", "0"], 2), concurrency);

    let help = place.run(&["--help"]);
    assert!(help.status.success() && help.stdout.lines().all(|line| line.len() <= 80), "{help:?}");
    assert!(help.stdout.contains("digest.db in the current directory"));
}

#[test]
fn a_directory_that_is_missing_or_none_is_named() {
    let place = place();
    assert_eq!(refused(&place, &["nowhere"], 2), "nowhere: No such file or directory (os error 2)");
    assert_eq!(refused(&place, &["tree/file"], 2), "tree/file is not a directory");
}

#[test]
fn a_database_that_cannot_be_written_is_named() {
    let place = place();
    let closed = place.file("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    for (db, says) in [
        ("closed/digest.db", "Permission denied (os error 13)".to_owned()),
        ("nowhere/digest.db", format!("the directory {} does not exist", place.file("nowhere").display())),
        ("tree", "not a file".to_owned()),
        ("tree/file/digest.db", "Not a directory (os error 20)".to_owned()),
    ] {
        let line = refused(&place, &["tree", "--db", db], 4);
        assert_eq!(line, format!("{}: {says}", place.file(db).display()));
    }
}

#[test]
fn a_database_that_may_only_be_read_is_named() {
    let place = place();
    let db = place.file("digest.db");
    made(&place, "digest.db");
    fs::set_permissions(&db, fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(refused(&place, &["tree"], 4), format!("{}: Permission denied (os error 13)", db.display()));
}

#[test]
fn a_file_that_is_not_a_stent_database_is_named() {
    let place = place();
    fs::write(place.file("text.db"), "These are not the tables you are looking for.\n".repeat(500)).unwrap();
    fs::write(place.file("short.db"), "a note").unwrap();
    fs::write(place.file("zeros.db"), [0; 8192]).unwrap();
    let mut foreign = made(&place, "stent.db");
    foreign[APPLICATION_ID..APPLICATION_ID + 4].fill(0);
    fs::write(place.file("foreign.db"), foreign).unwrap();
    for db in ["text.db", "short.db", "zeros.db", "foreign.db"] {
        place.give_to_program(&place.file(db));
        let line = refused(&place, &["tree", "--db", db], 4);
        assert_eq!(line, format!("{}: this is not a Stent database", place.file(db).display()));
    }
}

#[test]
fn a_database_of_a_newer_version_is_named() {
    let place = place();
    let mut newer = made(&place, "stent.db");
    newer[USER_VERSION..USER_VERSION + 4].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(place.file("newer.db"), newer).unwrap();
    place.give_to_program(&place.file("newer.db"));
    let says = "newer.db: the database has schema version 99, this program needs version 1: use a newer digest";
    assert_eq!(refused(&place, &["tree", "--db", "newer.db"], 5), says);
}

/// The bytes of a database that the program made.
fn made(place: &Place, db: &str) -> Vec<u8> {
    assert!(place.run(&["tree", "--db", db]).status.success());
    fs::read(place.file(db)).unwrap()
}
