//! Layers: which crate of the workspace may depend on which.

use super::{Problem, Tree};
use crate::{Result, cargo};
use serde_json::Value;

pub(super) const REASON: &str = "Arrows go down only: a backend knows the core alone, the executor knows the \
     traits and never a backend, so that a program compiles just the one it uses. Tests may depend on anything.";

/// What a crate may depend on within the workspace, tests aside.
enum Allowed {
    Anything,
    Only(&'static [&'static str]),
    /// The first always, the second behind a feature.
    Optionally(&'static [&'static str], &'static [&'static str]),
}

fn allowed(package: &str) -> Option<Allowed> {
    match package {
        "stent-core" | "stent-macros" | "xtask" => Some(Allowed::Only(&[])),
        // Authors of backends need no executor; tests of durable functions run on it.
        "stent-testkit" => Some(Allowed::Optionally(&["stent-core"], &["stent-executor"])),
        "stent-opentelemetry" => Some(Allowed::Only(&["stent-executor"])),
        "stent-executor" => Some(Allowed::Only(&["stent-core", "stent-macros"])),
        "stent-cli" | "stent-examples" | "stent-faults" | "stent-scenarios" => Some(Allowed::Anything),
        _ if package.starts_with("stent-backend-") => Some(Allowed::Only(&["stent-core"])),
        _ => None,
    }
}

pub(super) fn broken(tree: &Tree) -> Result<Vec<Problem>> {
    let mut command = cargo::cargo(&tree.root, ["metadata", "--no-deps", "--format-version", "1"]);
    Ok(broken_in(&serde_json::from_str(&cargo::output(&mut command)?)?))
}

/// The same, of the answer of `cargo metadata --no-deps`.
fn broken_in(metadata: &Value) -> Vec<Problem> {
    let packages = list(&metadata["packages"]);
    let names: Vec<&str> = packages.iter().map(|package| text(&package["name"])).collect();
    let mut problems = Vec::new();
    for package in packages {
        let name = text(&package["name"]);
        let place = format!("{name}/Cargo.toml");
        let Some(allowed) = allowed(name) else {
            let what = "a crate without a layer: say in xtask/src/tidy/layers.rs what it may depend on";
            problems.push(Problem::new(place, what));
            continue;
        };
        for dependency in list(&package["dependencies"]) {
            let on = text(&dependency["name"]);
            let fits = match allowed {
                Allowed::Anything => true,
                Allowed::Only(some) => some.contains(&on),
                Allowed::Optionally(some, behind_a_feature) => {
                    some.contains(&on) || (behind_a_feature.contains(&on) && dependency["optional"] == true)
                }
            };
            let of_tests = dependency["kind"] == "dev" && name != "xtask";
            if names.contains(&on) && !fits && !of_tests {
                problems.push(Problem::new(&place, format!("{name} may not depend on {on}")));
            }
        }
    }
    problems
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edge(from: &str, on: &str, kind: Option<&str>) -> Vec<String> {
        let names = ["stent-core", "stent-backend-sqlite", "stent-executor", "stent-cli", "xtask"];
        let mut packages: Vec<Value> = names.iter().map(|name| json!({"name": name, "dependencies": []})).collect();
        packages.retain(|package| package["name"] != from);
        packages
            .push(json!({"name": from, "dependencies": [{"name": on, "kind": kind}, {"name": "serde", "kind": null}]}));
        let problems = broken_in(&json!({"packages": packages}));
        problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn arrows_that_go_down_are_fine() {
        assert!(edge("stent-executor", "stent-core", None).is_empty());
        assert!(edge("stent-backend-sqlite", "stent-core", None).is_empty());
        assert!(edge("stent-cli", "stent-backend-sqlite", None).is_empty());
        assert!(edge("stent-executor", "stent-backend-sqlite", Some("dev")).is_empty());
    }

    #[test]
    fn an_arrow_that_goes_up_or_across_is_broken() {
        assert_eq!(edge("stent-core", "stent-executor", None), ["stent-core may not depend on stent-executor"]);
        assert_eq!(edge("stent-executor", "stent-backend-sqlite", None).len(), 1);
        assert_eq!(edge("stent-executor", "stent-backend-sqlite", Some("build")).len(), 1);
    }

    #[test]
    fn the_testkit_knows_the_executor_behind_a_feature_alone() {
        let testkit = |optional: bool| {
            let on = json!([{"name": "stent-executor", "kind": null, "optional": optional}]);
            let packages = [
                json!({"name": "stent-executor", "dependencies": []}),
                json!({"name": "stent-testkit", "dependencies": on}),
            ];
            broken_in(&json!({ "packages": packages })).len()
        };
        assert_eq!((testkit(true), testkit(false)), (0, 1));
    }

    #[test]
    fn xtask_depends_on_no_crate_even_in_its_tests() {
        assert_eq!(edge("xtask", "stent-core", Some("dev")), ["xtask may not depend on stent-core"]);
    }

    #[test]
    fn a_crate_without_a_layer_is_broken() {
        let problems = broken_in(&json!({"packages": [{"name": "stent-utils", "dependencies": []}]}));
        assert_eq!(problems.len(), 1);
    }
}
