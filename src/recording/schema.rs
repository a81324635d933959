//! The JSON Schema of a recording. It is kept in the repository, beside this file, for those who
//! read recordings with other tools.

use serde_json::Value;

use super::model::{Recording, VERSION};

/// The JSON Schema (draft 2020-12) of a recording file.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Recording).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$id".to_owned(), format!("urn:seccomp-gen:recording:{VERSION}").into());
        object
            .insert("title".to_owned(), format!("seccomp-gen recording, version {VERSION}").into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recording::sample;

    fn validator() -> jsonschema::Validator {
        jsonschema::validator_for(&json_schema()).unwrap()
    }

    #[test]
    fn the_published_schema_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/recording/recording.schema.json");
        let generated = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == generated,
            "{path} is out of date; refresh it: UPDATE_SCHEMA=1 cargo test schema"
        );
    }

    #[test]
    fn the_schema_names_its_version() {
        let schema = json_schema();
        assert_eq!(schema["$id"], format!("urn:seccomp-gen:recording:{VERSION}"));
        assert_eq!(schema["title"], format!("seccomp-gen recording, version {VERSION}"));
    }

    #[test]
    fn what_the_model_refuses_the_schema_refuses() {
        let recording = sample::recording("node", vec![sample::run_calling("1", &["read"])]);
        let good = serde_json::to_value(&recording).unwrap();
        assert!(validator().is_valid(&good));
        for (place, value) in [
            ("/format", "else".into()),
            ("/runs/0/host/cpus", "two".into()),
            ("/runs/0/syscalls/0/arch", "vax".into()),
            ("/runs/0/credential_states/0/uid", 1.into()),
            ("/runs/0/processes/0/credentials/0/state", "root".into()),
            ("/runs/0/ending/cause", "boredom".into()),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            assert!(!validator().is_valid(&bad), "{place}");
            assert!(serde_json::from_value::<Recording>(bad).is_err(), "{place}");
        }
        for place in [
            "",
            "/runs/0",
            "/runs/0/credential_states/0",
            "/runs/0/processes/0/credentials/0",
            "/runs/0/syscalls/0",
        ] {
            let mut bad = good.clone();
            let object = bad.pointer_mut(place).unwrap().as_object_mut().unwrap();
            object.insert("unheard_of".to_owned(), 1.into());
            assert!(!validator().is_valid(&bad), "{place}");
            assert!(serde_json::from_value::<Recording>(bad).is_err(), "{place}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_recording_is_valid(recording in sample::any_recording()) {
            let value = serde_json::to_value(&recording).unwrap();
            let errors: Vec<String> =
                validator().iter_errors(&value).map(|e| e.to_string()).collect();
            prop_assert!(errors.is_empty(), "{:?}", errors);
            prop_assert_eq!(serde_json::from_value::<Recording>(value).unwrap(), recording);
        }
    }
}
