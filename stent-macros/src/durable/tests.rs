//! The whole of `#[durable]`: source text in, items or complaints out.

use proc_macro2::TokenStream;
use syn::Item;

use super::durable;
use crate::refusal::messages;

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("tokens")
}

/// The expansion, which must be items and no complaint.
fn expanded(options: &str, item: &str) -> String {
    let expansion = durable(tokens(options), tokens(item));
    let complaints = messages(&expansion);
    assert!(complaints.is_empty(), "{complaints:#?}");
    let text = expansion.to_string();
    syn::parse2::<syn::File>(expansion).expect("items");
    text
}

/// The complaints about an item.
fn refused(item: &str) -> Vec<String> {
    messages(&durable(TokenStream::new(), tokens(item)))
}

/// Spaces between tokens say nothing.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

#[track_caller]
fn holds(expansion: &str, part: &str) {
    assert!(dense(expansion).contains(&dense(part)), "no {part}\nin {expansion}");
}

#[track_caller]
fn refuses(item: &str, start: &str) {
    let found = refused(item);
    assert!(found.len() == 1 && found[0].starts_with(start), "{item}: {found:#?}");
}

#[test]
fn a_function_becomes_a_carrier_and_a_caller() {
    let text = expanded(
        r#"queue = "payments", retry(max_attempts = 5, retry_for = ["Timeout"]), max_concurrent = 10"#,
        "/// Charges.
        pub async fn charge(mut ctx: Ctx, order: OrderId, mut cents: u64) -> Result<Receipt, PaymentError> { body() }",
    );
    let file: syn::File = syn::parse_str(&text).expect("items");
    let kinds = file.items.iter().map(|item| match item {
        Item::Struct(_) => "type",
        Item::Fn(_) => "function",
        Item::Impl(_) => "implementation",
        _ => "assertions",
    });
    let expected = ["type", "function", "implementation", "assertions"];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
    for part in [
        "pub struct charge {}",
        "pub fn charge(order: OrderId, cents: u64) -> ::stent_executor::Call<charge>",
        "{ ::stent_executor::Call::new((order, cents,)) }",
        "type Args = (OrderId, u64,);",
        r#"new(::std::concat!(::std::module_path!(), "::", "charge"))"#,
        r#".queue("payments").max_concurrent(10).retry"#,
        "max_attempts: ::std::option::Option::Some(5u32)",
        r#"retry_for: ::std::option::Option::Some(&["Timeout"])"#,
        "on_retry: ::std::option::Option::None",
        "let (mut ctx,): (Ctx,) = (context,); let (order, mut cents,) = args; { body() }",
        "assert_argument::<OrderId>();",
        "assert_output::<Result<Receipt, PaymentError> >();",
    ] {
        holds(&text, part);
    }
    assert!(!text.contains("memo_key"), "{text}");
}

#[test]
fn every_option_reaches_the_definition() {
    let text = expanded(
        r#"name = "pinned", version = "2", alias = ["old", "older"], tags = ["gpu"], priority = -3, max_duration = "2d",
           cached(ttl = "1h"), key = format!("{a}"), crate = crate::executor"#,
        "async fn f(a: u8) -> Result<()> { Ok(()) }",
    );
    holds(
        &text,
        r#"crate::executor::FunctionDefinition::new("pinned").version("2").alias("old").alias("older").tags(&["gpu"])
           .priority(-3).max_duration({ const DURATION: ::std::time::Duration = crate::executor::__private::duration("2d"); DURATION })
           .cached(::std::option::Option::Some({ const DURATION: ::std::time::Duration = crate::executor::__private::duration("1h"); DURATION }))
           .located(::std::file!(), ::std::line!())"#,
    );
    holds(&text, "let (a,) = args;");
    holds(&text, r#"::std::string::ToString::to_string(&(format!("{a}")))"#);
    assert!(!text.contains("stent_executor"), "{text}");
}

#[test]
fn the_context_and_the_arguments_may_be_left_out() {
    let text = expanded("idempotent", "async fn r#type() -> anyhow::Result<()> { Ok(()) }");
    holds(&text, "fn r#type() -> ::stent_executor::Call<r#type>");
    holds(&text, "::stent_executor::Call::new(())");
    holds(&text, r#"::std::module_path!(), "::", "type""#);
    holds(&text, ".idempotent().located");

    let text = expanded("cached", "async fn f(_: stent::Ctx) -> Result<()> {}");
    holds(&text, "let (_,): (stent::Ctx,) = (context,);");
    holds(&text, ".cached(::std::option::Option::None)");
}

#[test]
fn attributes_go_where_they_belong() {
    let text = expanded(
        "",
        "#[cfg(unix)] #[doc = \"Says.\"] #[allow(dead_code)] #[expect(clippy::all, reason = \"so\")]
         #[expect(clippy::too_many_arguments)] #[deprecated] async fn f() -> Result<()> {}",
    );
    assert_eq!(text.matches("# [cfg (unix)]").count(), 4);
    holds(&text, "#[doc = \"Says.\"] #[allow(dead_code)] #[expect(clippy::too_many_arguments)] #[deprecated] fn f");
    holds(&text, "#[allow(dead_code)] #[expect(clippy::all, reason = \"so\")] fn run");
}

#[test]
fn another_attribute_macro_goes_above() {
    refuses(
        "#[tracing::instrument] async fn f() -> Result<()> {}",
        "write `#[tracing::instrument]` above `#[durable]`, so that it sees the async function",
    );
}

#[test]
fn what_cannot_be_durable_is_refused_with_all_complaints_together() {
    let found = refused(
        "const unsafe extern \"C\" fn f<T>(self, a: &str, b: impl Fn(), (c, d): (u8, u8), e: Vec<Cow<'a, str>>, ctx: Ctx)
         where T: Copy {}",
    );
    let starts = [
        "a durable function is async: write `async fn`",
        "a durable function cannot be `const`",
        "a durable function cannot be `unsafe`",
        "a durable function cannot be `extern`",
        "a durable function cannot be generic",
        "a durable function has no `where`",
        "write the return type, such as `-> Result<()>`",
        "a durable function has no `self`",
        "the argument `a` is borrowed",
        "the argument `b` is an `impl Trait`",
        "an argument of a durable function is a plain name",
        "the argument `e` has a lifetime",
        "the context is the first parameter: move it to the front",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (message, start) in found.iter().zip(starts) {
        assert!(message.starts_with(start), "{message:?} is not {start:?}");
    }
}

#[test]
fn the_return_type_is_a_result() {
    for plain in ["u64", "()", "std::string::String", "&'static str", "!"] {
        refuses(&format!("async fn f() -> {plain} {{}}"), "return a `Result`");
    }
    for result in ["Result<u8, &'static str>", "std::io::Result<()>", "Outcome"] {
        expanded("", &format!("async fn f() -> {result} {{}}"));
    }
    refuses("async fn f() -> Result<impl Display> {}", "the return type is an `impl Trait`");
}

#[test]
fn arguments_are_named_bare_and_at_most_sixteen() {
    for (arguments, start) in [
        ("_: u8", "give the argument a name"),
        ("ref a: u8", "an argument of a durable function is a plain name"),
        ("#[cfg(unix)] a: u8", "an argument of a durable function bears no attributes"),
        ("ctx: &Ctx", "take the context by value"),
        ("a: _", "the argument `a` is left to be inferred"),
    ] {
        refuses(&format!("async fn f({arguments}) -> Result<()> {{}}"), start);
    }
    let many: String = (0..17).map(|index| format!("a{index}: u8,")).collect();
    refuses(&format!("async fn f({many}) -> Result<()> {{}}"), "a durable function has at most 16");
}

#[test]
fn another_item_is_refused() {
    let found = refused("struct S;");
    assert_eq!(found[0], "`#[durable]` goes on an `async fn` with a body");
}

#[test]
fn wrong_options_alone_still_give_the_items() {
    let expansion = durable(tokens("que = \"x\""), tokens("async fn f() -> Result<()> {}"));
    assert_eq!(messages(&expansion).len(), 1);
    holds(&expansion.to_string(), "fn f() -> ::stent_executor::Call<f>");
}
