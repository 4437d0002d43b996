//! What stands between the parentheses of `#[durable(…)]`.

use proc_macro2::{Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, Ident, LitInt, LitStr, Path, parenthesized};

use super::literal::{self, Form};
use super::retry::Retry;
use crate::executor;
use crate::refusal::Refusals;

const FORMS: &[Form] = &[
    ("name", "name = \"billing::charge\""),
    ("version", "version = \"2\""),
    ("alias", "alias = \"old::name\""),
    ("queue", "queue = \"payments\""),
    ("tags", "tags = [\"gpu\"]"),
    ("priority", "priority = 10"),
    ("retry", "retry(max_attempts = 5)"),
    ("max_concurrent", "max_concurrent = 10"),
    ("max_duration", "max_duration = \"2d\""),
    ("cached", "cached(ttl = \"1h\")"),
    ("idempotent", "idempotent"),
    ("key", "key = order.id"),
    ("crate", "crate = ::stent_executor"),
];

const TTL: &[Form] = &[("ttl", "ttl = \"1h\"")];

/// The options of one durable function; what is `None` or empty stays at the executor's default.
#[derive(Default)]
pub(super) struct Options {
    pub(super) name: Option<LitStr>,
    pub(super) version: Option<LitStr>,
    pub(super) aliases: Vec<LitStr>,
    pub(super) queue: Option<LitStr>,
    pub(super) tags: Vec<LitStr>,
    pub(super) priority: Option<TokenStream>,
    pub(super) retry: Option<Retry>,
    pub(super) max_concurrent: Option<LitInt>,
    pub(super) max_duration: Option<LitStr>,
    pub(super) memo: Option<Memo>,
    pub(super) key: Option<Expr>,
    executor: Option<Path>,
}

/// How results are shared.
pub(super) enum Memo {
    Cached { ttl: Option<LitStr> },
    Idempotent,
}

impl Options {
    /// The options that could be read, and a complaint about every other.
    pub(super) fn read(tokens: TokenStream) -> (Self, Refusals) {
        let mut options = Self::default();
        let mut refusals = Refusals::default();
        let parsed = (|input: ParseStream<'_>| {
            literal::each(input, FORMS, &mut refusals, |name, form, input, refusals| {
                options.take(name, form, input, refusals)
            });
            Ok(())
        })
        .parse2(tokens);
        refusals.keep(parsed);
        if let (Some(key), None) = (&options.key, &options.memo) {
            refusals.at(key, "`key` replaces the arguments in the key of `cached` or `idempotent`: add one of them");
        }
        (options, refusals)
    }

    /// Where the executor is found.
    pub(super) fn executor(&self) -> Path {
        executor::or_default(self.executor.as_ref())
    }

    fn take(&mut self, name: &Ident, form: &str, input: ParseStream<'_>, refusals: &mut Refusals) -> syn::Result<()> {
        match name.to_string().as_str() {
            "name" => self.name = Some(literal::text(name, form, input)?),
            "version" => self.version = Some(literal::text(name, form, input)?),
            "alias" => self.aliases = literal::texts(name, form, input)?,
            "queue" => self.queue = Some(literal::text(name, form, input)?),
            "tags" => self.tags = literal::texts(name, form, input)?,
            "priority" => self.priority = Some(literal::whole(name, form, input)?),
            "retry" => self.retry = Some(Retry::read(name, form, input, refusals)?),
            "max_concurrent" => {
                let zero = "`max_concurrent = 0` would never run: leave it out for no limit";
                let (count, literal) = literal::count(name, form, zero, input)?;
                self.max_concurrent = Some(LitInt::new(&count.to_string(), literal.span()));
            }
            "max_duration" => self.max_duration = Some(literal::text(name, form, input)?),
            "cached" => {
                let ttl = ttl(name, form, input, refusals)?;
                self.share(name.span(), Memo::Cached { ttl })?;
            }
            "idempotent" => self.share(name.span(), Memo::Idempotent)?,
            "key" => {
                // An expression's own complaint says more than the form would.
                input.parse::<syn::Token![=]>().map_err(|_| literal::misspelt(name, form))?;
                self.key = Some(input.parse()?);
            }
            _ => self.executor = Some(literal::value(name, form, input, executor::path)?),
        }
        Ok(())
    }

    fn share(&mut self, at: Span, memo: Memo) -> syn::Result<()> {
        if self.memo.is_some() {
            return Err(Error::new(
                at,
                "`cached` and `idempotent` exclude each other: `cached` may run again once its time is over, `idempotent` never; keep one",
            ));
        }
        self.memo = Some(memo);
        Ok(())
    }
}

/// The time behind `cached`, if one is given.
fn ttl(name: &Ident, form: &str, input: ParseStream<'_>, refusals: &mut Refusals) -> syn::Result<Option<LitStr>> {
    if !input.peek(syn::token::Paren) {
        let ends = input.is_empty() || input.peek(syn::Token![,]);
        return if ends { Ok(None) } else { Err(literal::misspelt(name, form)) };
    }
    let content;
    parenthesized!(content in input);
    let mut ttl = None;
    literal::each(&content, TTL, refusals, |name, form, input, _| {
        ttl = Some(literal::text(name, form, input)?);
        Ok(())
    });
    Ok(ttl)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    use super::*;
    use crate::refusal::messages;

    fn refused(options: TokenStream) -> Vec<String> {
        messages(&Options::read(options).1.into_tokens())
    }

    #[test]
    fn every_option_is_read() {
        let (options, refusals) = Options::read(quote! {
            name = "a::b", version = "2", alias = ["old", "older"], queue = "q", tags = ["x", "y"], priority = -3,
            retry(max_attempts = 2, initial_delay = "1s", factor = 3, max_delay = "9s", jitter = 0.5, retry_for = "Timeout",
                on_retry = "resume"), max_concurrent = 7, max_duration = "2d", cached(ttl = "1h"), key = pair::<u8, u8>(order),
            crate = crate,
        });
        assert!(messages(&refusals.into_tokens()).is_empty());
        assert_eq!(options.aliases.len(), 2);
        assert_eq!(options.priority.map(|priority| priority.to_string()).as_deref(), Some("- 3"));
        assert!(matches!(options.memo, Some(Memo::Cached { ttl: Some(_) })));
        assert!(options.key.is_some() && options.retry.is_some());
    }

    #[test]
    fn an_unknown_option_names_the_known_ones() {
        let found = refused(quote!(que = "x"));
        assert!(
            found[0].starts_with("unknown option `que`; the options here are `name`, `version`, `alias`"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn all_complaints_come_together() {
        let found =
            refused(quote!(queue = 5, queue = "x", name = "", max_concurrent = 0, priority = 3000000000, tags = []));
        assert_eq!(found.len(), 6, "{found:#?}");
        assert_eq!(found[0], "write `queue = \"payments\"`");
        assert_eq!(found[1], "`queue` is given twice: keep one");
        assert_eq!(found[2], "`name` is empty: leave it out or fill it in");
        assert_eq!(found[3], "`max_concurrent = 0` would never run: leave it out for no limit");
        assert_eq!(found[4], "`priority` is a whole number from -2147483648 to 2147483647");
        assert!(found[5].starts_with("`tags` names nothing"));
    }

    #[test]
    fn cached_and_idempotent_exclude_each_other() {
        assert!(refused(quote!(cached, idempotent))[0].starts_with("`cached` and `idempotent` exclude each other"));
        assert!(refused(quote!(cached, key = order)).is_empty());
    }

    #[test]
    fn a_key_that_nothing_uses_is_refused() {
        assert!(refused(quote!(key = order))[0].ends_with("add one of them"));
    }

    #[test]
    fn a_missing_comma_is_named() {
        assert_eq!(refused(quote!(queue = "a" version = "b")), ["put a comma between two options"]);
        assert_eq!(refused(quote!(cached = true)), ["write `cached(ttl = \"1h\")`"]);
    }
}
