//! What does not compile, and how the compiler says so: the messages beside the cases are what a user reads. What does is in `forms`.
//!
//! After a change of a message or of the compiler: `TRYBUILD=overwrite cargo test -p stent-executor --test compile_fail`, then read them.

#[test]
fn mistakes_do_not_compile_and_the_messages_say_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
