//! The function below `#[durable]`: what of it is used, and what cannot be made durable.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::{Block, Error, FnArg, Ident, ItemFn, Pat, PatType, ReturnType, Signature, Token, Type, Visibility};

use super::attributes::Attributes;
use super::types;
use crate::refusal::Refusals;

/// serde writes tuples of at most so many elements.
const MAX_ARGUMENTS: usize = 16;

/// A function that can be made durable.
pub(super) struct Function {
    pub(super) attributes: Attributes,
    pub(super) visibility: Visibility,
    pub(super) name: Ident,
    pub(super) context: Option<Context>,
    pub(super) arguments: Vec<Argument>,
    /// Where the parameters stand, parentheses and all.
    pub(super) parameters: Span,
    pub(super) output: Type,
    pub(super) body: Block,
}

/// The first parameter, if its type is written `Ctx`.
pub(super) struct Context {
    /// As the user wrote it: a name, perhaps mutable, or `_`.
    pub(super) pattern: Pat,
    pub(super) ty: Type,
}

/// What is stored with the task: `mut name: ty`.
pub(super) struct Argument {
    pub(super) mutability: Option<Token![mut]>,
    pub(super) name: Ident,
    pub(super) ty: Type,
}

impl Function {
    /// Reads an item; the error holds every complaint about it.
    pub(super) fn read(item: TokenStream) -> syn::Result<Self> {
        let item: ItemFn = syn::parse2(item).map_err(|error| {
            let mut refused = Error::new(error.span(), "`#[durable]` goes on an `async fn` with a body");
            refused.combine(error);
            refused
        })?;
        let mut refusals = Refusals::default();
        let attributes = Attributes::sort(item.attrs, &mut refusals);
        qualifiers(&item.sig, &mut refusals);
        let output = output(&item.sig, &mut refusals);
        let (context, arguments) = parameters(item.sig.inputs.into_iter().collect(), &item.sig.ident, &mut refusals);
        refusals.unless_any(Self {
            attributes,
            visibility: item.vis,
            name: item.sig.ident,
            context,
            arguments,
            parameters: item.sig.paren_token.span.join(),
            output,
            body: *item.block,
        })
    }
}

/// Refuses all between `pub` and the parentheses but `async fn name`.
fn qualifiers(signature: &Signature, refusals: &mut Refusals) {
    if signature.asyncness.is_none() {
        refusals.at(signature.fn_token, "a durable function is async: write `async fn`");
    }
    if let Some(token) = &signature.constness {
        refusals.at(token, "a durable function cannot be `const`: remove it");
    }
    if let Some(token) = &signature.unsafety {
        refusals.at(token, "a durable function cannot be `unsafe`, as a worker calls it: keep the unsafe block inside");
    }
    if let Some(abi) = &signature.abi {
        refusals.at(abi, "a durable function cannot be `extern`: call it from the foreign function instead");
    }
    if !signature.generics.params.is_empty() {
        refusals.at(
            &signature.generics,
            "a durable function cannot be generic, as a worker finds it by its name: write one for each type, all calling a generic helper",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        refusals.at(clause, "a durable function has no `where`: it is not generic");
    }
    if let Some(variadic) = &signature.variadic {
        refusals.at(variadic, "a durable function has a fixed number of arguments: take a `Vec`");
    }
}

fn output(signature: &Signature, refusals: &mut Refusals) -> Type {
    match &signature.output {
        ReturnType::Type(_, ty) => {
            types::output(ty, refusals);
            (**ty).clone()
        }
        ReturnType::Default => {
            refusals.at(
                &signature.ident,
                "write the return type, such as `-> Result<()>`: a durable function may fail, and how is stored",
            );
            Type::Verbatim(TokenStream::new())
        }
    }
}

fn parameters(inputs: Vec<FnArg>, function: &Ident, refusals: &mut Refusals) -> (Option<Context>, Vec<Argument>) {
    let mut context = None;
    let mut arguments: Vec<Argument> = Vec::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let typed = match input {
            FnArg::Receiver(receiver) => {
                refusals
                    .at(receiver, "a durable function has no `self`: make it a free function and pass what it needs");
                continue;
            }
            FnArg::Typed(typed) => typed,
        };
        for attribute in &typed.attrs {
            refusals.at(attribute, "an argument of a durable function bears no attributes: write them on the function");
        }
        if index == 0 && is_context(&typed.ty) {
            context = refusals.keep(context_of(typed));
        } else {
            arguments.extend(argument_of(typed, index, refusals));
        }
    }
    if let Some(extra) = arguments.get(MAX_ARGUMENTS) {
        refusals.at(
            &extra.name,
            format!(
                "a durable function has at most {MAX_ARGUMENTS} arguments: put those of `{function}` into a struct"
            ),
        );
    }
    (context, arguments)
}

fn context_of(typed: PatType) -> syn::Result<Context> {
    match &*typed.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {}
        Pat::Wild(_) => {}
        other => {
            return Err(Error::new_spanned(other, "give the context a name: `ctx: Ctx`"));
        }
    }
    Ok(Context { pattern: *typed.pat, ty: *typed.ty })
}

fn argument_of(typed: PatType, index: usize, refusals: &mut Refusals) -> Option<Argument> {
    if let Type::Reference(reference) = &*typed.ty
        && is_context(&reference.elem)
    {
        refusals.at(reference, "take the context by value: `ctx: Ctx`");
        return None;
    }
    if is_context(&typed.ty) {
        refusals.at(&typed.ty, "the context is the first parameter: move it to the front");
        return None;
    }
    match *typed.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
            types::argument(&typed.ty, &name.ident.unraw().to_string(), refusals);
            Some(Argument { mutability: name.mutability, name: name.ident, ty: *typed.ty })
        }
        Pat::Wild(wild) => {
            refusals.at(wild, format!("give the argument a name, as it is stored: `_argument{index}: …`"));
            None
        }
        pattern => {
            refusals.at(pattern, "an argument of a durable function is a plain name: take it apart in the body");
            None
        }
    }
}

/// Whether a type is written `Ctx`, by whatever path.
fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Ctx" && last.arguments.is_none()))
}
