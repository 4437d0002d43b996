//! Types that cannot be stored: borrowed, anonymous, inferred.

use syn::visit::{self, Visit};
use syn::{Lifetime, Type, TypeImplTrait, TypeInfer, TypeReference};

use crate::refusal::Refusals;

/// Refuses in the argument `name`'s type what cannot be read back on another worker.
pub(super) fn argument(ty: &Type, name: &str, refusals: &mut Refusals) {
    Check { refusals, place: Place::Argument(name) }.visit_type(ty);
}

/// Refuses in the return type what cannot leave the function; `'static` may.
pub(super) fn output(ty: &Type, refusals: &mut Refusals) {
    let said = "return a `Result`, such as `Result<()>`: a durable function may fail, and how is stored";
    match ty {
        Type::Path(path) => {
            let plain = path.path.segments.last().is_some_and(|last| NOT_RESULTS.iter().any(|name| last.ident == name));
            if plain {
                return refusals.at(ty, said);
            }
        }
        Type::Macro(_) | Type::Paren(_) | Type::Group(_) => {}
        _ => return refusals.at(ty, said),
    }
    Check { refusals, place: Place::Output }.visit_type(ty);
}

/// Types of the standard library that are surely no alias of `Result`.
const NOT_RESULTS: &[&str] = &[
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64", "String", "Option", "Vec", "Box", "HashMap", "BTreeMap",
];

enum Place<'a> {
    Argument(&'a str),
    Output,
}

struct Check<'a> {
    refusals: &'a mut Refusals,
    place: Place<'a>,
}

impl Check<'_> {
    fn refuse(&mut self, tokens: impl quote::ToTokens, what: &str, instead: &str) {
        let subject = match self.place {
            Place::Argument(name) => format!("the argument `{name}`"),
            Place::Output => "the return type".to_owned(),
        };
        self.refusals.at(tokens, format!("{subject} {what}: {instead}"));
    }
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let lasting = reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
        match self.place {
            Place::Output if lasting => visit::visit_type_reference(self, reference),
            _ => self.refuse(
                reference,
                "is borrowed, and its owner will be gone when it is read back",
                "take an owned type, such as `String` for `&str` or `Vec<T>` for `&[T]`",
            ),
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.refuse(ty, "is an `impl Trait`, which has no name to be read back by", "write the type that is meant");
    }

    fn visit_type_infer(&mut self, ty: &'ast TypeInfer) {
        self.refuse(ty, "is left to be inferred", "write the type that is meant");
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.refuse(
                lifetime,
                "has a lifetime, and what it borrows will be gone when it is read back",
                "take an owned type",
            );
        }
    }
}
