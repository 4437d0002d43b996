//! Passwords in addresses of databases: found, and left out of whatever is printed.

const HIDDEN: &str = "***";

/// Whether an address bears a password.
pub(crate) fn is_in(address: &str) -> bool {
    without(address) != address
}

/// The text without the passwords of the URLs and connection strings in it.
pub(crate) fn without(text: &str) -> String {
    let mut shown = without_userinfo(text);
    for name in ["password=", "sslpassword="] {
        shown = without_value(&shown, name);
    }
    shown
}

/// `scheme://user:password@` becomes `scheme://user:***@`. The last `@` before the path ends the password, whatever it holds.
fn without_userinfo(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(|letter: char| letter.is_whitespace() || letter == '\'' || letter == '"');
        let url = &after[..end.unwrap_or(after.len())];
        let password = url.rfind('@').and_then(|end| url[..end].find(':').map(|start| (start, end)));
        if let Some((start, end)) = password {
            shown.push_str(&url[..=start]);
            shown.push_str(HIDDEN);
            rest = &after[end..];
        } else {
            rest = after;
        }
    }
    shown + rest
}

/// `password=…` up to a separator becomes `password=***`.
fn without_value(text: &str, name: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(name) {
        let (before, after) = rest.split_at(at + name.len());
        shown.push_str(before);
        shown.push_str(HIDDEN);
        let quoted = after.strip_prefix('\'').and_then(|quoted| quoted.find('\'').map(|end| end + 2));
        let end = quoted.or_else(|| after.find(|letter: char| letter.is_whitespace() || letter == '&'));
        rest = &after[end.unwrap_or(after.len())..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_left_out_and_the_rest_stays() {
        for (text, shown) in [
            ("postgres://me:s3cret@host/db", "postgres://me:***@host/db"),
            ("postgres://me:s3@c/ret@host:5/db failed", "postgres://me:***@host:5/db failed"),
            ("postgres://me@host:5432/db", "postgres://me@host:5432/db"),
            ("postgres://h/db?user=a&password=s3cret&x=1", "postgres://h/db?user=a&password=***&x=1"),
            ("host=h password='a b' user=u", "host=h password=*** user=u"),
            ("sqlite:orders.db", "sqlite:orders.db"),
        ] {
            assert_eq!(without(text), shown);
            assert_eq!(is_in(text), text != shown);
        }
    }
}
