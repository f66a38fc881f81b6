//! A message in no service's form yet: pieces that know whether they are our words, somebody else's text, or a command. What is
//! somebody else's is made harmless by each service's own rules; what is too long is cut, and says so.

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// Whose it is.
    pub kind: PieceKind,
}

/// Whose text a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// Our words.
    Ours,
    /// A host's, a person's or a playbook's: it never becomes a mention, a link or a mark.
    Theirs,
    /// Something to type, made of names that have no special letters.
    Command,
}

/// Our words.
pub fn ours(text: impl Into<String>) -> Piece {
    Piece { text: text.into(), kind: PieceKind::Ours }
}

/// Somebody else's text, on one line and without what a reader does not see.
pub fn theirs(text: impl AsRef<str>) -> Piece {
    Piece { text: crate::value::told(text.as_ref(), false), kind: PieceKind::Theirs }
}

/// A piece for where text is shown as it is: only what would become a link by itself is changed.
pub fn literal(piece: &Piece) -> String {
    match piece.kind {
        PieceKind::Theirs => unlinked(&piece.text),
        PieceKind::Ours | PieceKind::Command => piece.text.clone(),
    }
}

/// Something to type.
pub fn command(text: impl Into<String>) -> Piece {
    Piece { text: text.into(), kind: PieceKind::Command }
}

/// A sentence of ours with places (`{}`) for other pieces.
pub fn fill(form: &str, with: impl IntoIterator<Item = Piece>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut with = with.into_iter();
    let mut parts = form.split("{}");
    if let Some(first) = parts.next().filter(|first| !first.is_empty()) {
        pieces.push(ours(first));
    }
    for part in parts {
        pieces.extend(with.next());
        if !part.is_empty() {
            pieces.push(ours(part));
        }
    }
    pieces
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It is well.
    Good,
    /// It goes on.
    Plain,
    /// Something is wrong, or waits for somebody.
    Bad,
}

/// A message about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How much it matters.
    pub weight: Weight,
    /// What it is about, on one line.
    pub title: Vec<Piece>,
    /// How the run stands, on one line.
    pub standing: Vec<Piece>,
    /// What happened, oldest first.
    pub lines: Vec<Vec<Piece>>,
    /// What to type next.
    pub commands: Vec<Piece>,
    /// The words with which lines that were left out are told; `{}` is their number.
    pub left_out: &'static str,
}

/// The mark before a title, where nothing else shows how much it matters.
pub fn mark(weight: Weight) -> &'static str {
    match weight {
        Weight::Good => "✅",
        Weight::Plain => "▶️",
        Weight::Bad => "❗",
    }
}

/// The longest single line that is kept whole, in bytes.
const LINE: usize = 600;

impl Message {
    /// The message as one text of at most so many bytes, each piece as `show` writes it. The newest lines are kept; the title,
    /// how it stands and what to type are always there.
    pub fn text(&self, most: usize, show: impl Fn(&Piece) -> String) -> String {
        let line = |pieces: &[Piece]| cut(&pieces.iter().map(&show).collect::<String>(), LINE.min(most / 4).max(40));
        let head = format!("{} {}\n{}\n", mark(self.weight), line(&self.title), line(&self.standing));
        let foot: String = self.commands.iter().map(|piece| format!("\n{}", show(piece))).collect();
        let foot = format!("\n{foot}");
        let room = most.saturating_sub(head.len() + foot.len());
        let body = self.body(room, |pieces| line(pieces));
        cut(format!("{head}{body}{foot}").trim_end(), most)
    }

    /// The newest lines that there is room for, and how many are left out before them.
    pub fn body(&self, room: usize, line: impl Fn(&[Piece]) -> String) -> String {
        let lines: Vec<String> = self.lines.iter().map(|pieces| format!("\n{}", line(pieces))).collect();
        if lines.iter().map(String::len).sum::<usize>() <= room {
            return lines.concat();
        }
        let said = |number: usize| format!("\n{}", self.left_out.replace("{}", &number.to_string()));
        let room = room.saturating_sub(said(lines.len()).len());
        let mut taken = 0;
        let kept = lines
            .iter()
            .rev()
            .take_while(|line| {
                taken += line.len();
                taken <= room
            })
            .count();
        let dropped = lines.len() - kept;
        format!("{}{}", said(dropped), lines.get(dropped..).unwrap_or_default().concat())
    }
}

/// A text of at most so many bytes: whole characters, and a mark where it was cut.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// Somebody else's text without what chats make a link of by themselves. It stays readable.
pub fn unlinked(text: &str) -> String {
    text.replace("://", "：//").replace("www.", "www．").replace("mailto:", "mailto：")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lines: usize) -> Message {
        Message {
            weight: Weight::Bad,
            title: fill("{} is under way", [theirs("db-failover")]),
            standing: vec![ours("it waits")],
            lines: (0..lines).map(|n| fill("line {} of the story", [theirs(n.to_string())])).collect(),
            commands: vec![command("playbook status r-1")],
            left_out: "… {} earlier ones are left out",
        }
    }

    #[test]
    fn what_is_too_long_says_how_much_is_missing() {
        let show = |piece: &Piece| piece.text.clone();
        let whole = message(3).text(4096, show);
        assert!(whole.starts_with("❗ db-failover is under way\nit waits\n"), "{whole}");
        assert!(whole.contains("line 0 of") && whole.ends_with("playbook status r-1") && !whole.contains('…'));
        for most in [200, 300, 1000] {
            let text = message(500).text(most, show);
            assert!(text.len() <= most, "{}: {text}", text.len());
            assert!(text.contains("line 499") && text.ends_with("playbook status r-1"), "{text}");
            let left: usize = text.split("… ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!(text.contains(&format!("line {left} of")) && !text.contains(&format!("line {} of", left - 1)));
        }
        assert_eq!(cut("数据库", 7), "数…");
    }

    #[test]
    fn other_people_s_text_stays_on_one_line() {
        assert_eq!(theirs("a\nb\u{202e}c").text, "a b<U+202E>c");
        assert_eq!(unlinked("see https://evil.example now"), "see https：//evil.example now");
    }
}
