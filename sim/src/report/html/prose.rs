//! Texts of rules and findings as HTML. They are written as in Markdown.

use minijinja::HtmlEscape;

/// A text as HTML: `code`, **strong** and *emphasized* parts are marked up, and everything is escaped.
pub(super) fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return HtmlEscape(text).to_string();
    }
    let mut html = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index % 2 == 1 {
            html += &format!("<code>{}</code>", HtmlEscape(part));
        } else {
            html += &marked(part, "**", "strong", |part| {
                marked(part, "*", "em", |part| HtmlEscape(part).to_string())
            });
        }
    }
    html
}

/// A text whose parts between marks are elements, if each mark has a partner. `otherwise` converts the other parts.
fn marked(text: &str, mark: &str, element: &str, otherwise: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = text.split(mark).collect();
    if parts.len().is_multiple_of(2) {
        return HtmlEscape(text).to_string();
    }
    let mut html = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index % 2 == 1 {
            html += &format!("<{element}>{}</{element}>", HtmlEscape(part));
        } else {
            html += &otherwise(part);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_elements_and_all_else_is_escaped() {
        for (text, html) in [
            (
                "**parameter** `a_b` (<i>)",
                "<strong>parameter</strong> <code>a_b</code> (&lt;i&gt;)",
            ),
            (
                "`a * b` is *not* `**`",
                "<code>a * b</code> is <em>not</em> <code>**</code>",
            ),
            ("one ` and 2 * 3", "one ` and 2 * 3"),
        ] {
            assert_eq!(prose(text), html);
        }
    }
}
