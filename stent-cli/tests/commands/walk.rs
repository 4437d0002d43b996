//! One walk through all commands.

use std::time::Duration;

use serde_json::json;
use stent_core::ExecutionId;

use crate::place::{Place, program};
use crate::plain::plain;
use crate::story::{self, Story};
use crate::terminal::Terminal;

/// Every command with the case that exercises it; `help` is clap's.
const CASES: [&str; 20] = [
    "list",
    "show",
    "tasks",
    "why",
    "stats",
    "watch",
    "signal",
    "dispatch",
    "cancel",
    "redrive",
    "dlq list",
    "dlq show",
    "dlq replay",
    "dlq replay-all",
    "dlq discard",
    "cleanup",
    "migrate",
    "doctor",
    "backup",
    "completions",
];

pub(crate) async fn all(place: &Place) {
    every_command_has_a_case();
    migrations(place);
    let (story, worker) = story::play(place.open().await).await;
    lists(place, &story);
    watches(place);
    shows(place, &story);
    dead_letters(place, &story);
    redrives(place, &story).await;
    signals(place, &story).await;
    cancels(place, &story);
    health(place);
    dispatches(place, &story).await;
    refusals(place, &story).await;
    worker.drain().await.unwrap();
    cleanups(place).await;
    missing_indexes(place).await;
    newer_schemas(place).await;
}

/// The commands that `--help` lists.
fn commands(of: &[&str]) -> Vec<String> {
    let help = program(&[of, &["--help"]].concat()).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    // What is indented further goes on with the line before.
    let names =
        commands.lines().filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(|name| [of, &[name]].concat().join(" ")).collect()
}

fn every_command_has_a_case() {
    let mut found = commands(&[]);
    found.retain(|command| command != "dlq");
    found.extend(commands(&["dlq"]));
    found.sort();
    let mut cases = CASES.map(str::to_owned).to_vec();
    cases.sort();
    assert_eq!(found, cases);
}

fn migrations(place: &Place) {
    // Nothing is made by looking.
    let (code, exit) = if place.is_sqlite() { ("4001", 4) } else { ("5001", 5) };
    for arguments in [&["list"][..], &["doctor"], &["migrate"]] {
        assert!(place.refused(arguments, code, exit).contains("migrate --create"));
    }
    assert_eq!(place.text(&["migrate", "--create"]), "the schema was brought to version 1\n");
    assert_eq!(place.json(&["migrate"]), json!({"schema_version": 1, "changed": false}));
    assert_eq!(place.text(&["list"]), "no executions\n");
}

fn lists(place: &Place, story: &Story) {
    let expected = "\
ID STATE FUNCTION QUEUE AGE
ID pending shop::later slow SPAN
ID suspended shop::approve - SPAN
ID failed shop::broken - SPAN
ID failed shop::broken - SPAN
ID failed shop::broken - SPAN
ID completed shop::order - SPAN";
    assert_eq!(plain(&place.text(&["list"])), expected);
    for (arguments, count) in [
        (&["--state", "failed"][..], 3),
        (&["--state", "failed", "--state", "completed"], 4),
        (&["--function", "shop::later"], 1),
        (&["--queue", "slow"], 1),
        (&["--tag", "eu"], 1),
        (&["--tag", "us"], 0),
        (&["--since", "1h"], 6),
    ] {
        let found = place.json(&[&["list"], arguments].concat());
        assert_eq!(found["executions"].as_array().unwrap().len(), count, "{arguments:?}");
    }
    let first = place.json(&["list", "--limit", "4"]);
    let next = first["next"].as_str().unwrap();
    let second = place.json(&["list", "--limit", "4", "--after", next]);
    assert_eq!((second["executions"].as_array().unwrap().len(), &second["next"]), (2, &json!(null)));
    assert!(place.text(&["list", "--limit", "4"]).ends_with(&format!("more: --after {next}\n")));

    let order = story.order.to_string();
    let tasks = plain(&place.text(&["tasks", "--execution", &order, "--function", "shop::charge"]));
    assert_eq!(tasks.lines().next(), Some("ID STATE FUNCTION TRIES AGE"));
    assert_eq!(tasks.matches("ID completed shop::charge").count(), 3, "{tasks}");
    let expected = "\
QUEUE READY SCHEDULED RUNNING SUSPENDED OLDEST READY
- 0 0 0 1 -
slow 1 0 0 0 SPAN

executions that ended
FUNCTION STATE LAST MINUTE LAST HOUR
shop::broken failed 3 3
shop::order completed 1 1";
    assert_eq!(plain(&place.text(&["stats"])), expected);
    let why = plain(&place.text(&["why", &story.later.to_string()]));
    assert!(why.contains("why waits for a worker: none of 1 live ones has the function"), "{why}");
    assert_eq!(place.json(&["why", &story.approve.id().to_string()])["tasks"][0]["state"], "suspended");
}

fn watches(place: &Place) {
    let seen = place.text(&["watch", "--times", "2", "--every", "10ms"]);
    let lines: Vec<Vec<&str>> = seen.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["AT", "READY", "SCHEDULED", "RUNNING", "SUSPENDED", "ENDED/S", "FAILED/S", "DEAD"]);
    for line in &lines[1..] {
        assert_eq!((&line[1..5], line[7]), (&["1", "0", "0", "1"][..], "3"), "{seen}");
    }
    assert_eq!(lines.len(), 3);
    let seen = place.text(&["watch", "--times", "1", "--json"]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(
        json!([seen["ready"], seen["suspended"], seen["live_workers"], seen["dead_letters"]]),
        json!([1, 1, 1, 3])
    );

    let mut screen = Terminal::of(place, &["watch", "--every", "100ms"]);
    screen.until("q: quit");
    let seen = plain(&screen.seen());
    for part in [
        "1 worker ended ",
        "3 dead letters\nqueues──",
        "\nQUEUE READY SCHEDULED RUNNING SUSPENDED OLDEST READY\n- 0 0 0 1 -\nslow 1 0 0 0 SPAN\nopen, of the newest 1,000 executions──",
        "\nID FUNCTION STATE AGE PROGRESS\nID later pending SPAN\nID approve suspended SPAN\n",
        "\nID FUNCTION ENDED AGO FAILURE\nID broken SPAN Failure\nID broken SPAN Failure\nID broken SPAN Failure\nq: quit",
    ] {
        assert!(seen.contains(part), "{part}\n\n{seen}");
    }
    screen.types("q");
    assert_eq!(screen.exit(), 0);
}

fn shows(place: &Place, story: &Story) {
    let order = story.order.to_string();
    let shown = plain(&place.text(&["show", &order]));
    for part in [
        "execution ID\nfunction shop::order\nstate completed\nattempt 1\n",
        "why ended at TIME\n",
        "operations\nAT TOOK OPERATION OUTCOME\n",
        "SPAN map shop::charge completed\n",
        "SPAN step audit completed",
        "note all charged",
        "SPAN sleep passed",
        "children of the root\nFUNCTION STATE TASKS\nshop::charge completed 3\n",
        "variables\nNAME VALUE\norders 2\nnote a value of 12 bytes",
    ] {
        assert!(shown.contains(part), "{part}\n\n{shown}");
    }
    assert!(!shown.contains("[1,2,3]"), "{shown}");
    let shown = place.text(&["show", &order, "--show-payloads"]);
    assert!(shown.contains("[1,2,3]") && plain(&shown).contains("result 6"), "{shown}");

    let shown = place.text(&["show", &story.broken[0].to_string()]);
    assert!(shown.contains("no \\u{1b}[31mstock") && !shown.contains('\u{1b}'), "{shown}");
    assert!(
        place
            .refused(&["show", &ExecutionId::new(story.stent.clock().now()).to_string()], "3001", 3)
            .contains("there is no execution")
    );
}

fn dead_letters(place: &Place, story: &Story) {
    let listed = plain(&place.text(&["dlq", "list"]));
    assert_eq!(
        listed,
        "ID FUNCTION TRIES AGE FAILURE\nID shop::broken 1 SPAN Failure\nID shop::broken 1 SPAN Failure\nID shop::broken 1 SPAN Failure"
    );
    let [first, second, _] = story.broken.map(|id| id.to_string());
    let shown = plain(&place.text(&["dlq", "show", &second]));
    assert!(shown.contains("failure Failure: no card"), "{shown}");
    assert!(place.text(&["dlq", "show", &second, "--show-payloads"]).contains("[\"no card\"]"));
    let refused = place.refused(&["dlq", "discard", &first], "2002", 2);
    assert!(refused.contains("deletes 1 dead letter") && refused.contains("--yes"), "{refused}");
    for (said, exit) in [("n\n", 2), ("\n", 2), ("y\n", 0)] {
        let mut asked = Terminal::of(place, &["dlq", "discard", &first]);
        asked.until("This deletes 1 dead letter");
        asked.until("Go on? [y/N] ");
        asked.types(said);
        assert_eq!(asked.exit(), exit, "{said:?}: {}", asked.seen());
    }
    place.refused(&["dlq", "discard", &first, "--yes"], "3001", 3);
    assert_eq!(place.json(&["dlq", "list"])["dead_letters"].as_array().unwrap().len(), 2);
}

/// Waits until so many executions are failed.
async fn failed(place: &Place, count: usize) {
    let is_so = || place.json(&["list", "--state", "failed"])["executions"].as_array().unwrap().len() == count;
    let mut tries = 0;
    while !is_so() {
        tries += 1;
        assert!(tries < 1_200, "there are not {count} failed executions");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn redrives(place: &Place, story: &Story) {
    let [first, second, _] = story.broken.map(|id| id.to_string());
    assert_eq!(plain(&place.text(&["redrive", &first])), "ID goes on");
    failed(place, 3).await;
    place.refused(&["redrive", &story.order.to_string()], "3002", 3);
    place.text(&["dlq", "replay", &second]);
    failed(place, 3).await;
    let refused = place.refused(&["dlq", "replay-all"], "2002", 2);
    assert!(refused.contains("redrives the executions of 3 dead letters"), "{refused}");
    assert_eq!(place.json(&["dlq", "replay-all", "--yes"]), json!({"redriven": 3, "refused": []}));
    failed(place, 3).await;
}

async fn signals(place: &Place, story: &Story) {
    let id = story.approve.id().to_string();
    assert!(place.refused(&["signal", &id, "approval", "yes"], "2001", 2).contains("no JSON"));
    assert_eq!(place.text(&["signal", &id, "approval", "17"]), "sent\n");
    assert_eq!(story.approve.wait("60s").await.unwrap(), 17);
    place.refused(&["signal", &id, "approval", "17"], "3002", 3);
}

async fn dispatches(place: &Place, story: &Story) {
    let typo = place.refused(&["dispatch", "shop::chrage", "[7]"], "3002", 3);
    assert!(typo.contains("none of 1 live workers has the function shop::chrage; say --unknown"), "{typo}");
    let given = ["dispatch", "shop::charge", "[7]", "--dedup", "order 7", "--tag", "eu"];
    let dispatched = place.json(&given);
    let id: ExecutionId = dispatched["execution"].as_str().unwrap().parse().unwrap();
    assert_eq!(story.stent.execution::<u64>(id).wait("60s").await.unwrap(), 7);
    assert_eq!(place.text(&given), format!("dispatched {id}\n"), "the key's execution");
    let other = ["dispatch", "shop::charge", "[8]", "--dedup", "order 7"];
    assert!(place.refused(&other, "3002", 3).contains("belongs to execution"));
    // What it does not take fails it for good, wherever it runs.
    let id: ExecutionId =
        place.json(&["dispatch", "shop::charge", r#"["seven"]"#])["execution"].as_str().unwrap().parse().unwrap();
    let failed = story.stent.execution::<u64>(id).wait("60s").await.unwrap_err().to_string();
    assert!(failed.contains("not a"), "{failed}");
    let options =
        ["--queue", "slow", "--priority", "-3", "--delay", "2h", "--max-duration", "3h", "--max-attempts", "1"];
    let remote = place.json(&[&["dispatch", "shop::remote", "--unknown", "--pin", "2"], &options[..]].concat());
    let shown = place.json(&["show", remote["execution"].as_str().unwrap()]);
    let expected = json!(["scheduled", "slow", -3, "2"]);
    assert_eq!(json!([shown["state"], shown["queue"], shown["priority"], shown["version"]]), expected);
    place.text(&["cancel", remote["execution"].as_str().unwrap(), "--yes"]);
}

/// Dead letters whose executions stand in the way are told, and the others go on.
async fn refusals(place: &Place, story: &Story) {
    let id = story.stent.dispatch(story::tolerant()).await.unwrap();
    id.result().await.unwrap();
    let arguments = ["dlq", "replay-all", "--execution", &id.id().to_string(), "--yes"];
    let ran = place.run(&arguments);
    let expected = "0 dead letters redriven, 1 refused\nID REFUSED\nID ";
    assert!(ran.exit == 3 && ran.told.is_empty() && plain(&ran.text).starts_with(expected), "{}", ran.text);
    let ran = place.run(&[&arguments[..], &["--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert_eq!((ran.exit, &told["redriven"], told["refused"].as_array().unwrap().len()), (3, &json!(0), 1));
}

fn cancels(place: &Place, story: &Story) {
    let id = story.later.to_string();
    assert!(place.refused(&["cancel", &id], "2002", 2).contains("1 open task"));
    assert_eq!(plain(&place.text(&["cancel", &id, "--yes"])), "cancelled ID");
    place.refused(&["cancel", &id, "--yes"], "3002", 3);
    assert_eq!(place.json(&["cancel", &id, "--idempotent"])["cancelled"], false);
}

fn health(place: &Place) {
    let doctor = place.json(&["doctor"]);
    assert_eq!((&doctor["schema_version"], &doctor["live_workers"]), (&json!(1), &json!(1)));
    assert!(plain(&place.text(&["doctor"])).contains("schema version 1, which this program needs"));
    let settings = &doctor["settings"];
    if place.is_sqlite() {
        assert_eq!((&settings["journal mode"], &doctor["warnings"]), (&json!("wal"), &json!([])));
    } else {
        assert!(settings["server_version"].is_string(), "{settings}");
        // The server of tests forgets all when it crashes.
        assert_eq!(settings["fsync"] == "off", doctor["warnings"].to_string().contains("fsync is off"));
    }
    assert!(place.text(&["completions", "bash"]).starts_with("_stent()"));
    let copy = place.file("copy.db");
    if !place.is_sqlite() {
        assert!(place.refused(&["backup", &copy], "2001", 2).contains("pg_dump"));
        return;
    }
    assert!(place.text(&["backup", &copy]).starts_with("wrote "));
    place.refused(&["backup", &copy], "3002", 3);
    let address = format!("sqlite:{copy}");
    let listed = program(&["list", "--json", "--db", &address]).output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["executions"].as_array().unwrap().len(), 6);
}

async fn cleanups(place: &Place) {
    assert_eq!(place.json(&["cleanup", "--older-than", "1h", "--dry-run"])["executions"], 0);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let old = "10 executions, 14 tasks, 5 dead letters";
    let arguments = ["cleanup", "--older-than", "1ms"];
    assert_eq!(place.text(&[&arguments[..], &["--dry-run"]].concat()), format!("would delete {old}\n"));
    assert!(place.refused(&arguments, "2002", 2).contains(old));
    let deleted = place.text(&[&arguments[..], &["--yes"]].concat());
    assert!(deleted.starts_with(&format!("deleted {old}; ")), "{deleted}");
    assert_eq!(place.text(&["list"]), "no executions\n");
    assert_eq!(place.text(&["dlq", "list"]), "no dead letters\n");
}

async fn newer_schemas(place: &Place) {
    place.to_schema(99).await;
    for arguments in [&["list"][..], &["doctor"], &["migrate"]] {
        assert!(place.refused(arguments, "5001", 5).ends_with("; use a newer `stent`\n"), "{arguments:?}");
    }
}

async fn missing_indexes(place: &Place) {
    place.without_index("tasks_cancelled_by").await;
    let told = place.json(&["doctor"])["warnings"].to_string();
    assert!(told.contains("without its indexes tasks_cancelled_by it is slow"), "{told}");
}
