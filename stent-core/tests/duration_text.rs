//! Durations as text: the grammar, its bounds, and that what is written is read back.

use std::time::Duration;

use proptest::prelude::*;
use stent_core::limits;
use stent_core::time::duration_text::{DurationTextError, IntoDuration, format, parse};

const READ_BY_THE_COMPILER: Result<Duration, DurationTextError> = parse("1w2d3h4m5s6ms7us");

#[test]
fn a_literal_can_be_read_by_the_compiler() {
    let seconds = ((7 + 2) * 24 + 3) * 3_600 + 4 * 60 + 5;
    assert_eq!(READ_BY_THE_COMPILER, Ok(Duration::new(seconds, 6_007_000)));
}

#[test]
fn the_forms_of_the_original_are_read() {
    for (text, millis) in [
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("30m1h", 5_400_000),
        ("2d", 172_800_000),
        ("1w", 604_800_000),
        ("1h1h", 7_200_000),
        ("1.5h", 5_400_000),
        ("5.s", 5_000),
        ("0.25s", 250),
        ("100ms", 100),
        ("1s500ms", 1_500),
        ("1m1ms1m", 120_001),
        ("1500us500us", 2),
        ("  24h\t\n", 86_400_000),
        ("000000000000000000000000000001s", 1_000),
        ("0s", 0),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        " ",
        "10",
        "1x",
        "-5s",
        "+5s",
        "1e400s",
        "1h30",
        "９s",
        "1 h",
        "1h 30m",
        "1H",
        "1S",
        ".5s",
        "1..5s",
        "1.2.3s",
        "s",
        "h1",
        "1hm",
        "1sm",
        "1ns",
        "1µs",
        "1mss",
        "1s\0",
        "inf",
        "NaN",
        "0x1s",
        "1_000s",
        "1,5s",
        "99999999999999999999999",
    ] {
        assert_eq!(parse(text), Err(DurationTextError::Malformed), "{text:?}");
    }
}

#[test]
fn more_than_a_hundred_years_is_refused_in_every_form() {
    let over = limits::DURATION + Duration::from_nanos(1);
    assert_eq!(parse("36525d"), Ok(limits::DURATION));
    assert_eq!(limits::DURATION.into_duration(), Ok(limits::DURATION));
    assert_eq!(time::Duration::days(36_525).into_duration(), Ok(limits::DURATION));
    let nines = "9".repeat(400);
    for text in [
        "36525d1us".to_owned(),
        "36525.0000001d".to_owned(),
        "5218w".to_owned(),
        format!("{}us", u64::MAX),
        format!("{}w", u64::MAX),
        format!("{nines}s"),
        "30000d".repeat(1_000),
    ] {
        assert_eq!(parse(&text), Err(DurationTextError::TooLong), "{text}");
        assert_eq!(text.into_duration(), Err(DurationTextError::TooLong));
    }
    assert_eq!(over.into_duration(), Err(DurationTextError::TooLong));
    assert_eq!(Duration::MAX.into_duration(), Err(DurationTextError::TooLong));
    assert_eq!(time::Duration::MAX.into_duration(), Err(DurationTextError::TooLong));
}

#[test]
fn a_negative_duration_is_refused() {
    assert_eq!(time::Duration::nanoseconds(-1).into_duration(), Err(DurationTextError::Negative));
    assert_eq!(time::Duration::MIN.into_duration(), Err(DurationTextError::Negative));
}

#[test]
fn fractions_are_exact() {
    for (text, nanos) in [
        ("0.1s", 100_000_000),
        ("0.000001s", 1_000),
        ("1.5us", 1_500),
        ("0.0004us", 0),
        ("0.0005us", 1),
        ("0.000499999999999999999999999999999999999999us", 0),
        ("0.1w", 60_480_000_000_000),
        ("0.333333333333333333333333333333h", 1_200_000_000_000),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
    let nines = format!("0.{}s", "9".repeat(10_000));
    assert_eq!(parse(&nines), Ok(Duration::from_secs(1)));
}

#[test]
fn errors_say_what_is_expected_and_do_not_repeat_the_input() {
    for error in [DurationTextError::Malformed, DurationTextError::TooLong, DurationTextError::Negative] {
        let text = error.to_string();
        assert!(text.contains("expected") && text.contains("90s, 1h30m, 2d"), "{text}");
        assert!(!text.contains('\n'));
    }
}

#[test]
fn a_duration_is_written_short_and_exact() {
    for (nanos, text) in [
        (0, "0s"),
        (90_000_000_000, "1m30s"),
        (5_400_000_000_000, "1h30m"),
        (86_400_000_000_000, "1d"),
        (604_800_000_000_000, "1w"),
        (2_592_000_000_000_000, "30d"),
        (1_500_000_000, "1s500ms"),
        (1_000, "1us"),
        (1_500, "1.5us"),
        (1, "0.001us"),
    ] {
        assert_eq!(format(Duration::from_nanos(nanos)), text);
    }
    assert_eq!(parse(&format(Duration::MAX)), Err(DurationTextError::TooLong));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(nanos in 0..=36_525_u64 * 86_400 * 1_000_000_000, coarse in 0..19_u32) {
        let duration = Duration::from_nanos(nanos - nanos % 10_u64.pow(coarse));
        prop_assert_eq!(parse(&format(duration)), Ok(duration));
    }

    #[test]
    fn no_text_panics(text in "\\PC*", near in "[0-9.]{0,30}[smhdwu]{0,2}[0-9.]{0,30}[smhdwu]{0,2}") {
        let _ = parse(&text);
        let _ = parse(&near);
    }

    #[test]
    fn order_does_not_matter_and_repeats_add_up(a in 0..1_000_u64, b in 0..1_000_u64, c in 0..1_000_u64) {
        let expected = Duration::from_secs(a * 3_600 + b * 60 + c);
        prop_assert_eq!(parse(&format!("{a}h{b}m{c}s")), Ok(expected));
        prop_assert_eq!(parse(&format!("{c}s{a}h{b}m")), Ok(expected));
        prop_assert_eq!(parse(&format!("{c}s{c}s{a}h{b}m")), Ok(expected + Duration::from_secs(c)));
    }

    #[test]
    fn a_fraction_is_the_nearest_nanosecond(digits in "[0-9]{0,17}", unit in 0..7_usize) {
        let (name, nanos) = [("w", 604_800_000_000_000_u128), ("d", 86_400_000_000_000), ("h", 3_600_000_000_000),
            ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)][unit];
        let numerator = digits.parse::<u128>().unwrap_or(0) * nanos;
        let denominator = 10_u128.pow(u32::try_from(digits.len()).unwrap());
        let nearest = (2 * numerator + denominator) / (2 * denominator);
        let read = parse(&format!("0.{digits}{name}")).unwrap();
        prop_assert_eq!(read.as_nanos(), nearest);
    }
}
