//! Retry policies: what is retried, after which delay, and how a policy is stored (C-Y1, C-Y2).

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::error::Error;
use std::time::Duration;

use proptest::prelude::*;
use stent_core::limits;
use stent_core::retry::backoff::delay;
use stent_core::retry::{ErrorClass, OnRetry, RetryFor, RetryPolicy, RetryPolicyBuilder};

const NO_CLASS: [&str; 0] = [];

fn class(text: &str) -> ErrorClass {
    ErrorClass::new(text).unwrap()
}

fn refused(builder: RetryPolicyBuilder) -> &'static str {
    builder.build().unwrap_err().field
}

struct Wrap<T: ?Sized>(std::marker::PhantomData<T>);

fn local_class<T>() -> ErrorClass {
    struct Local;
    let _ = std::any::type_name::<T>();
    ErrorClass::of::<Local>()
}

#[test]
fn the_class_of_a_type_is_the_last_segment_of_its_name() {
    for (found, expected) in [
        (ErrorClass::of::<std::io::Error>(), "Error"),
        (ErrorClass::of::<std::num::ParseIntError>(), "ParseIntError"),
        (ErrorClass::of::<Wrap<std::num::ParseIntError>>(), "Wrap"),
        (ErrorClass::of::<Wrap<Wrap<[std::io::Error]>>>(), "Wrap"),
        (ErrorClass::of::<Wrap<fn(u8) -> std::io::Error>>(), "Wrap"),
        (ErrorClass::of::<&str>(), "str"),
        (ErrorClass::of::<&mut &std::fmt::Error>(), "Error"),
        (ErrorClass::of::<*const std::num::ParseIntError>(), "ParseIntError"),
        (ErrorClass::of::<String>(), "String"),
        (ErrorClass::of::<Box<dyn Error + Send + Sync>>(), "Box"),
        (ErrorClass::of::<dyn Error>(), "Error"),
        (ErrorClass::of::<dyn Error + Send + Sync>(), "Error"),
        (ErrorClass::of::<&(dyn std::fmt::Display + Send)>(), "Display"),
        (ErrorClass::of::<dyn Fn(std::io::Error) -> String>(), "Fn"),
        (ErrorClass::of::<()>(), "Error"),
        (ErrorClass::of::<(String, std::fmt::Error)>(), "Error"),
        (ErrorClass::of::<[u8; 4]>(), "Error"),
        (local_class::<Wrap<fn() -> u8>>(), "Local"),
    ] {
        assert_eq!(found.as_str(), expected);
    }
}

#[test]
fn a_class_is_checked_when_made_and_when_read() {
    assert!(ErrorClass::new("x".repeat(255)).is_ok());
    for text in [String::new(), "x".repeat(256), "a\nb".into(), "a\0".into()] {
        assert!(ErrorClass::new(&text).is_err());
        assert!(text.parse::<ErrorClass>().is_err());
        assert!(serde_json::from_value::<ErrorClass>(text.into()).is_err());
    }
    let json = serde_json::to_string(&class("PaymentError::Timeout")).unwrap();
    assert_eq!(json, "\"PaymentError::Timeout\"");
    assert_eq!(serde_json::from_str::<ErrorClass>(&json).unwrap(), class("PaymentError::Timeout"));
}

#[test]
fn a_class_is_matched_by_name_type_variant_and_root() {
    let timeout = class("PaymentError::Timeout");
    for pattern in ["PaymentError::Timeout", "PaymentError", "Timeout", "Exception"] {
        assert!(timeout.matches(&class(pattern)), "{pattern}");
    }
    for pattern in ["PaymentError::Declined", "Payment", "Time", "out", "::Timeout", "paymenterror", "Error"] {
        assert!(!timeout.matches(&class(pattern)), "{pattern}");
    }
    // Behind `?` only the type is known: no pattern with a variant means it.
    assert!(!class("PaymentError").matches(&timeout));
    assert!(ErrorClass::panic().matches(&class("Panic")));
}

/// C-Y1
#[test]
fn the_defaults_are_three_attempts_of_every_class() {
    let policy = RetryPolicy::default();
    assert_eq!(policy.max_attempts(), 3);
    assert_eq!(policy.initial_delay(), Duration::from_secs(1));
    assert_eq!(policy.max_delay(), Duration::from_secs(60));
    assert_eq!((policy.factor(), policy.jitter()), (2.0, 0.1));
    assert_eq!((policy.retry_for(), policy.on_retry()), (&RetryFor::Every, OnRetry::Fail));
    assert_eq!(RetryPolicy::builder().build(), Ok(policy));
}

/// C-Y1
#[test]
fn a_failure_is_retried_while_its_class_matches_and_attempts_remain() {
    let policy = RetryPolicy::builder().max_attempts(3).retry_for(["Timeout", "Connection"]).build().unwrap();
    let timeout = class("PaymentError::Timeout");
    assert!(policy.retries(&timeout, 1) && policy.retries(&timeout, 2));
    assert!(!policy.retries(&timeout, 3) && !policy.retries(&timeout, u32::MAX));
    assert!(!policy.retries(&class("PaymentError::Declined"), 1));
    assert!(!RetryPolicy::none().retries(&timeout, 1));
    assert!(!RetryPolicy::builder().retry_for(NO_CLASS).build().unwrap().retries(&timeout, 1));
    let root = RetryPolicy::builder().retry_for(["Timeout", "Exception"]).build().unwrap();
    assert_eq!(root.retry_for(), &RetryFor::Every);
}

#[test]
fn a_policy_that_breaks_a_rule_is_refused_with_its_field() {
    let new = RetryPolicy::builder;
    assert_eq!(refused(new().max_attempts(0)), "max_attempts");
    for factor in [0.99, 0.0, -2.0, f64::INFINITY, f64::NAN] {
        assert_eq!(refused(new().factor(factor)), "factor");
    }
    for jitter in [-0.1, 1.1, f64::INFINITY, f64::NAN] {
        assert_eq!(refused(new().jitter(jitter)), "jitter");
    }
    assert_eq!(refused(new().initial_delay("36526d")), "initial_delay");
    assert_eq!(refused(new().initial_delay("ten")), "initial_delay");
    assert_eq!(refused(new().initial_delay(time::Duration::seconds(-1))), "initial_delay");
    assert_eq!(refused(new().max_delay(limits::DURATION + Duration::from_secs(1))), "max_delay");
    assert_eq!(refused(new().max_delay("1s").initial_delay("2s")), "max_delay");
    assert_eq!(refused(new().retry_for([""])), "retry_for");
    assert_eq!(refused(new().jitter(2.0).max_attempts(0)), "jitter");
    assert_eq!(refused(new().max_attempts(0).max_attempts(1)), "max_attempts");

    let error = new().max_attempts(0).build().unwrap_err().to_string();
    assert_eq!(error, "invalid retry policy: max_attempts must be a whole number from 1 to 4294967295");
}

#[test]
fn the_order_of_the_delays_does_not_matter() {
    let one = RetryPolicy::builder().initial_delay("2m").max_delay("5m").build().unwrap();
    let other = RetryPolicy::builder().max_delay("5m").initial_delay("2m").build().unwrap();
    assert_eq!(one, other);
    let alone = RetryPolicy::builder().initial_delay("2m").build().unwrap();
    assert_eq!(alone.max_delay(), Duration::from_secs(120));
}

/// C-Y2
#[test]
fn the_stored_form_is_one_object_with_the_names_of_the_original() {
    let text = RetryPolicy::default().encode();
    assert_eq!(
        text,
        r#"{"backoff_factor":2.0,"initial_delay":1.0,"jitter":0.1,"max_attempts":3,"max_delay":60.0,"on_retry":"fail","retry_for":["Exception"]}"#
    );
    assert_eq!(serde_json::to_string(&RetryPolicy::default()).unwrap(), text);
    assert_eq!(serde_json::from_str::<RetryPolicy>(&text).unwrap(), RetryPolicy::default());
}

/// C-Y2
#[test]
fn stored_policies_of_the_original_are_read() {
    let row = r#"{"max_attempts": 5, "backoff_factor": 3.0, "initial_delay": 0.5, "max_delay": 30, "jitter": 0}"#;
    let policy = RetryPolicy::decode(row).unwrap();
    let expected =
        RetryPolicy::builder().max_attempts(5).factor(3.0).initial_delay("500ms").max_delay("30s").jitter(0.0);
    assert_eq!(Ok(policy), expected.build());

    let every = [
        "{}",
        r#"{"retry_for":null,"jitter":null}"#,
        r#"{"retry_for":["Exception"]}"#,
        r#"{"retry_for":["ValueError","Exception"]}"#,
        r#"{"__type__":"RetryPolicy","delays":[1],"factor":2}"#,
    ];
    for text in every {
        assert_eq!(RetryPolicy::decode(text), Ok(RetryPolicy::default()), "{text}");
    }
    let some = RetryPolicy::decode(r#"{"retry_for":["ValueError"],"on_retry":"resume","factor":4}"#).unwrap();
    assert_eq!(some.retry_for(), &RetryFor::Only(vec![class("ValueError")]));
    assert_eq!((some.on_retry(), some.factor()), (OnRetry::Resume, 4.0));
}

/// C-Y2
#[test]
fn a_stored_policy_that_cannot_be_read_is_an_error() {
    for (text, field) in [
        ("", "policy"),
        ("null", "policy"),
        ("[]", "policy"),
        ("3", "policy"),
        (r#"{"max_attempts":3"#, "policy"),
        (r#"{"max_delay":Infinity}"#, "policy"),
        (r#"{"max_attempts":0}"#, "max_attempts"),
        (r#"{"max_attempts":-1}"#, "max_attempts"),
        (r#"{"max_attempts":"3"}"#, "max_attempts"),
        (r#"{"max_attempts":4294967296}"#, "max_attempts"),
        (r#"{"initial_delay":-1}"#, "initial_delay"),
        (r#"{"initial_delay":"1s"}"#, "initial_delay"),
        (r#"{"initial_delay":1e300}"#, "initial_delay"),
        (r#"{"max_delay":3155760001}"#, "max_delay"),
        (r#"{"max_delay":0.5}"#, "max_delay"),
        (r#"{"factor":0.5}"#, "factor"),
        (r#"{"backoff_factor":[]}"#, "factor"),
        (r#"{"jitter":1.5}"#, "jitter"),
        (r#"{"retry_for":"ValueError"}"#, "retry_for"),
        (r#"{"retry_for":[1]}"#, "retry_for"),
        (r#"{"retry_for":["Exception",""]}"#, "retry_for"),
        (r#"{"on_retry":"again"}"#, "on_retry"),
    ] {
        assert_eq!(RetryPolicy::decode(text).unwrap_err().field, field, "{text}");
        assert!(serde_json::from_str::<RetryPolicy>(text).is_err(), "{text}");
    }
}

/// C-Y1
#[test]
fn delays_grow_by_the_factor_up_to_the_cap() {
    let policy = RetryPolicy::builder().jitter(0.0).build().unwrap();
    let seconds: Vec<_> = (1..=8).map(|attempt| delay(&policy, attempt, 0.9).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(delay(&policy, u32::MAX, 0.0), Duration::from_secs(60));
    assert_eq!(delay(&policy, 0, 0.0), Duration::from_secs(1));

    let constant = RetryPolicy::builder().jitter(0.0).factor(1.0).initial_delay("1500us").build().unwrap();
    assert_eq!(delay(&constant, u32::MAX, 0.0), Duration::from_micros(1_500));
    let none = RetryPolicy::builder().initial_delay("0s").factor(f64::MAX).build().unwrap();
    assert_eq!(delay(&none, u32::MAX, 0.3), Duration::ZERO);
}

/// C-Y1
#[test]
fn jitter_spreads_to_both_sides_after_the_cap() {
    let policy = RetryPolicy::builder().build().unwrap();
    assert_eq!(delay(&policy, 9, 0.0), Duration::from_secs(54));
    assert_eq!(delay(&policy, 9, 0.5), Duration::from_secs(60));
    assert_eq!(delay(&policy, 9, 1.0), Duration::from_secs(66));
    assert_eq!(delay(&policy, 9, f64::NAN), Duration::from_secs(60));
    let full = RetryPolicy::builder().jitter(1.0).build().unwrap();
    assert_eq!(delay(&full, 1, 0.0), Duration::ZERO);
    assert_eq!(delay(&full, 1, f64::NEG_INFINITY), Duration::ZERO);
}

const LONGEST: u64 = 36_525 * 86_400 * 1_000_000;

prop_compose! {
    /// Delays of every size up to the limit; factor and jitter with up to six decimals.
    fn policies()(
        attempts in 1..=u32::MAX,
        delays in (0..=LONGEST, 0..=LONGEST, 0..16_u32, 0..16_u32),
        factor in prop_oneof![1_000_000..10_000_000_u32, 1_000_000..=u32::MAX],
        jitter in 0..=1_000_000_u32,
        classes in proptest::option::of(proptest::collection::vec("[A-Za-z:<> é\"]{1,40}", 0..4)),
        on_retry in prop_oneof![Just(OnRetry::Fail), Just(OnRetry::Resume), Just(OnRetry::Restart)],
    ) -> RetryPolicy {
        let (a, b) = (delays.0 / 10_u64.pow(delays.2), delays.1 / 10_u64.pow(delays.3));
        let builder = RetryPolicy::builder()
            .max_attempts(attempts)
            .initial_delay(Duration::from_micros(a.min(b)))
            .max_delay(Duration::from_micros(a.max(b)))
            .factor(f64::from(factor) / 1e6)
            .jitter(f64::from(jitter) / 1e6)
            .on_retry(on_retry);
        match classes {
            Some(classes) => builder.retry_for(classes),
            None => builder,
        }.build().unwrap()
    }
}

/// The fields of a stored policy, the original's names among them.
fn field() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "max_attempts",
        "initial_delay",
        "max_delay",
        "backoff_factor",
        "factor",
        "jitter",
        "retry_for",
        "on_retry",
        "another",
    ])
}

/// JSON text of any kind, numbers that no type holds among it.
fn value() -> impl Strategy<Value = String> {
    let plain =
        ["null", "true", "{}", "[]", "[null]", "\"\"", "1e400", "-0.0", "1e-400", "18446744073709551616", "\"resume\""];
    prop_oneof![
        proptest::sample::select(plain.to_vec()).prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u8>().prop_map(|number| number.to_string()),
        proptest::num::f64::NORMAL.prop_map(|number| format!("{number:e}")),
        "\\PC{0,6}".prop_map(|text| serde_json::Value::from(text).to_string()),
        proptest::collection::vec("\\PC{0,6}", 0..3).prop_map(|texts| serde_json::Value::from(texts).to_string()),
    ]
}

proptest! {
    /// C-Y2
    #[test]
    fn a_stored_policy_is_read_back(policy in policies()) {
        let text = policy.encode();
        let read = RetryPolicy::decode(&text);
        prop_assert_eq!(read.as_ref(), Ok(&policy));
        prop_assert_eq!(read.unwrap().encode(), text.clone());
        prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&text).unwrap(), policy);
    }

    #[test]
    fn no_text_panics(text in "\\PC*", number in proptest::num::f64::ANY) {
        let _ = RetryPolicy::decode(&text);
        for field in ["max_attempts", "initial_delay", "max_delay", "backoff_factor", "jitter"] {
            if let Ok(policy) = RetryPolicy::decode(&format!("{{\"{field}\":{number:e}}}")) {
                prop_assert_eq!(RetryPolicy::decode(&policy.encode()).unwrap().max_delay(), policy.max_delay());
            }
        }
    }

    /// C-Y2: whatever a row holds is read or refused by its field; what is read is stored as it is read, and gives delays.
    #[test]
    fn any_value_in_any_field_is_read_or_refused(fields in proptest::collection::btree_map(field(), value(), 0..5)) {
        let fields: Vec<_> = fields.into_iter().map(|(field, value)| format!("{field:?}: {value}")).collect();
        match RetryPolicy::decode(&format!("{{{}}}", fields.join(", "))) {
            Ok(policy) => {
                prop_assert!(policy.max_attempts() > 0);
                prop_assert_eq!(&RetryPolicy::decode(&policy.encode()).unwrap(), &policy);
                prop_assert!(delay(&policy, u32::MAX, 0.5) <= policy.max_delay());
            }
            Err(error) => prop_assert!(!error.field.is_empty() && !error.to_string().contains('\n')),
        }
    }

    /// C-Y1
    #[test]
    fn a_delay_stays_within_its_spread(policy in policies(), attempt in any::<u32>(), low in 1..100_u32, random in 0.0..1.0_f64) {
        for attempt in [attempt, low] {
            let (least, most) = (delay(&policy, attempt, 0.0), delay(&policy, attempt, 1.0));
            let found = delay(&policy, attempt, random);
            prop_assert!(least <= found && found <= most);
            prop_assert!(most <= policy.max_delay() * 2);
            prop_assert!(delay(&policy, attempt, 0.5) <= policy.max_delay());
        }
    }

    #[test]
    fn any_input_gives_a_delay(policy in policies(), attempt in any::<u32>(), random in proptest::num::f64::ANY) {
        prop_assert!(delay(&policy, attempt, random) <= policy.max_delay() * 2);
    }

    /// C-Y1
    #[test]
    fn delays_never_shrink(policy in policies(), attempt in 1..10_000_u32) {
        prop_assert!(delay(&policy, attempt, 0.5) <= delay(&policy, attempt + 1, 0.5));
    }
}
