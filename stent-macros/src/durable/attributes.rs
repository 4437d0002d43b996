//! Where the attributes of a durable function go.

use quote::ToTokens;
use syn::{AttrStyle, Attribute, LitStr, Meta, Token};

use crate::refusal::Refusals;

/// Attributes that mean what they say on the function that makes the call.
const ON_FUNCTION: &[&str] = &["must_use", "deprecated", "inline", "cold", "cfg_attr"];

/// Lints that speak of a signature, so that `#[expect]` of them is fulfilled there.
const OF_SIGNATURE: &[&str] =
    &["missing_docs", "unreachable_pub", "non_snake_case", "too_many_arguments", "fn_params_excessive_bools"];

/// The attributes of one function, by where they go.
#[derive(Default)]
pub(super) struct Attributes {
    /// `#[cfg]`: on everything generated.
    pub(super) everywhere: Vec<Attribute>,
    /// `#[doc(…)]`: on function and type.
    pub(super) items: Vec<Attribute>,
    /// Documentation and lint levels: on the function.
    pub(super) function: Vec<Attribute>,
    /// Lint levels: on the body.
    pub(super) body: Vec<Attribute>,
    /// The function is `#[deprecated]`.
    pub(super) deprecated: bool,
}

impl Attributes {
    /// Sorts them; one of another macro is refused, as it would see something else than the async function.
    pub(super) fn sort(attributes: Vec<Attribute>, refusals: &mut Refusals) -> Self {
        let mut sorted = Self::default();
        for mut attribute in attributes {
            attribute.style = AttrStyle::Outer;
            sorted.put(attribute, refusals);
        }
        sorted
    }

    fn put(&mut self, attribute: Attribute, refusals: &mut Refusals) {
        let path = attribute.path();
        if path.segments.len() > 1 {
            let tool = path
                .segments
                .first()
                .is_some_and(|first| ["clippy", "rustfmt", "diagnostic"].iter().any(|tool| first.ident == tool));
            return if tool { self.body.push(attribute) } else { refuse(&attribute, refusals) };
        }
        let name = path.get_ident().map(ToString::to_string).unwrap_or_default();
        match name.as_str() {
            "cfg" => self.everywhere.push(attribute),
            "doc" if matches!(attribute.meta, Meta::List(_)) => self.items.push(attribute),
            "doc" => self.function.push(attribute),
            "allow" | "warn" | "deny" | "forbid" => {
                self.function.push(attribute.clone());
                self.body.push(attribute);
            }
            "expect" if of_signature(&attribute) => self.function.push(attribute),
            "expect" => self.body.push(attribute),
            other if ON_FUNCTION.contains(&other) => {
                self.deprecated |= other == "deprecated";
                self.function.push(attribute);
            }
            _ => refuse(&attribute, refusals),
        }
    }
}

fn of_signature(attribute: &Attribute) -> bool {
    let mut found = false;
    // What cannot be read as a list of lints is left to the compiler.
    let _ = attribute.parse_nested_meta(|meta| {
        found |= meta.path.segments.last().is_some_and(|lint| OF_SIGNATURE.iter().any(|name| lint.ident == name));
        if meta.input.peek(Token![=]) {
            meta.value()?.parse::<LitStr>()?;
        }
        Ok(())
    });
    found
}

fn refuse(attribute: &Attribute, refusals: &mut Refusals) {
    let path = attribute.path().to_token_stream().to_string().replace(' ', "");
    refusals.at(attribute, format!("write `#[{path}]` above `#[durable]`, so that it sees the async function"));
}
