//! User agents by their product token: `kubectl/v1.36.2 (linux/amd64) ...` is `kubectl`.
//!
//! Refuses versions: an upgrade is no new client. The client chooses this text.

/// Most products remembered of one account.
pub const LIMIT: usize = 24;
/// Longest product, in bytes.
const LONGEST: usize = 64;

/// RFC 9110 section 10.1.5: the product comes before the slash. An empty agent is a product of its
/// own.
#[must_use]
pub fn product(user_agent: &str) -> &str {
    let end = user_agent
        .bytes()
        .position(|b| matches!(b, b'/' | b' '))
        .unwrap_or(user_agent.len());
    let product = &user_agent[..end];
    if product.is_empty() {
        "(none)"
    } else {
        &product[..product.floor_char_boundary(LONGEST)]
    }
}

#[cfg(test)]
mod tests {
    use super::product;

    #[test]
    fn the_product_comes_before_the_slash() {
        assert_eq!(
            product("kubectl/v1.36.2 (linux/amd64) kubernetes/98b3519"),
            "kubectl"
        );
        assert_eq!(product("Go http package"), "Go");
        assert_eq!(product(""), "(none)");
    }
}
