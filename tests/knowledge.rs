//! Compares what we know with where we know it from.

use std::collections::BTreeMap;

use seccomp_gen::knowledge::forbidden;

/// Of the package golang-github-containers-common, which `make test` installs.
const CONTAINERS_COMMON: &str = "/usr/share/containers/seccomp.json";

#[test]
fn the_forbidden_ones_are_those_that_containers_common_gates_by_capabilities() {
    let text = std::fs::read_to_string(CONTAINERS_COMMON).unwrap_or_else(|error| {
        panic!("{CONTAINERS_COMMON}: {error}; apt-get install golang-github-containers-common")
    });
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut theirs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in json["syscalls"].as_array().expect("rules") {
        for capability in rule["includes"]["caps"].as_array().into_iter().flatten() {
            let names = rule["names"].as_array().expect("names");
            let gate = theirs.entry(capability.as_str().expect("a capability")).or_default();
            gate.extend(names.iter().map(|name| name.as_str().expect("a name")));
        }
    }
    theirs.values_mut().for_each(|names| names.sort_unstable());
    let ours: BTreeMap<&str, Vec<&str>> =
        forbidden::GATES.iter().map(|gate| (gate.capability, gate.names.to_vec())).collect();
    assert_eq!(ours, theirs);
}
