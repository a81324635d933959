//! Secrets on command lines are masked before anything else sees them, in every recording.

/// What stands in place of a secret.
const MASK: &str = "[masked]";

/// Which names of options and variables an entry is about. Names are compared in lower case, with
/// `_` and `.` read as `-`, and without the dashes before them.
enum Names {
    /// This name.
    Is(&'static str),
    /// Every name that ends like this.
    Ends(&'static str),
    /// Every name that begins like this.
    Starts(&'static str),
}

/// The options and variables whose values are secret, each with the reason. Options that name a
/// *file* with a secret (`--node-key-file`, `--password-filename`) are not here: a path is none.
const SECRETS: &[(Names, &str)] = &[
    (Names::Ends("node-key"), "Substrate: the secret key of the peer-to-peer identity"),
    (Names::Ends("nodekeyhex"), "geth: the same"),
    (Names::Is("suri"), "Substrate: a seed phrase or secret URI"),
    (Names::Is("seed"), "subkey, wallets: the seed of a key"),
    (Names::Ends("mnemonic"), "wallets: the seed phrase of a key"),
    (Names::Ends("seed-phrase"), "wallets: the same"),
    (Names::Ends("rpc-login"), "monerod: user:password"),
    (Names::Ends("rpcauth"), "bitcoind: user and salted hash of a password"),
    (Names::Ends("password"), "--password, --rpc-password, -rpcpassword, --keystore-password"),
    (Names::Ends("passwd"), "the same"),
    (Names::Ends("passphrase"), "the same"),
    (Names::Is("pass"), "the same"),
    (Names::Is("requirepass"), "redis-server"),
    (Names::Is("masterauth"), "redis-server"),
    (Names::Is("auth"), "user and password, or a token"),
    (Names::Ends("-pass"), "the same: --rpc-pass (btcd)"),
    (Names::Ends("rpcpass"), "the same: -rpcpass"),
    (Names::Ends("private-key"), "a key"),
    (Names::Ends("privatekey"), "a key"),
    (Names::Ends("privkey"), "a key"),
    (Names::Ends("secret-key"), "a key, --execution-jwt-secret-key (Lighthouse)"),
    (Names::Ends("signing-key"), "a key"),
    (Names::Ends("encryption-key"), "a key"),
    (Names::Ends("access-key"), "a key of a cloud"),
    (Names::Ends("api-key"), "a key of a service"),
    (Names::Ends("apikey"), "the same"),
    (Names::Ends("jwt-secret"), "execution clients: a file, but some take the secret itself"),
    (Names::Ends("jwtsecret"), "the same: --authrpc.jwtsecret (geth)"),
    (Names::Starts("secret"), "--secret, --secret-seed, --secret-phrase"),
    (Names::Ends("secret"), "--client-secret"),
    (Names::Ends("token"), "--token, --auth-token, FOO_TOKEN"),
    (Names::Ends("bearer"), "a token"),
    (Names::Ends("credentials"), "user and password"),
    (Names::Is("unlock"), "geth: the accounts that sign; they tell who runs the node"),
    (Names::Is("proxy-user"), "curl: user:password"),
    (Names::Is("user"), "curl: user:password"),
];

/// Masks the values of what is known to be secret: of options (`--opt value`, `--opt=value`), of
/// variables (`FOO_TOKEN=value`), of the user part and the query of URLs; also within a script that
/// is one argument (`sh -c '...'`). Names stay.
pub fn mask_secrets(argv: &[String]) -> Vec<String> {
    let mut masked = Vec::with_capacity(argv.len());
    let mut value_is_secret = false;
    for arg in argv {
        // An option whose value was left out; a secret that begins with one dash is possible.
        let is_value = value_is_secret && !arg.starts_with("--");
        value_is_secret = false;
        if is_value {
            masked.push(MASK.to_owned());
        } else if arg.contains(char::is_whitespace) && assigned(arg).is_none() {
            masked.push(mask_script(arg));
        } else {
            value_is_secret = is_secret_option(arg);
            masked.push(mask_word(arg));
        }
    }
    masked
}

/// The name in `--name=value` and `NAME=value`.
fn assigned(arg: &str) -> Option<&str> {
    let (name, _) = arg.split_once('=')?;
    is_plain(name).then_some(name)
}

/// Whether it can be the name of an option or a variable.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Whether it is an option whose value, a secret, comes as the next word.
fn is_secret_option(word: &str) -> bool {
    word.starts_with('-') && is_plain(word) && is_secret(word)
}

fn is_secret(name: &str) -> bool {
    let name: String = name
        .trim_start_matches('-')
        .chars()
        .map(|c| if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() })
        .collect();
    SECRETS.iter().any(|(names, _)| match names {
        Names::Is(this) => name == *this,
        Names::Ends(end) => name.ends_with(end),
        Names::Starts(start) => name.starts_with(start),
    })
}

fn mask_word(word: &str) -> String {
    match assigned(word) {
        Some(name) if is_secret(name) => format!("{name}={MASK}"),
        _ => mask_urls(word),
    }
}

/// Masks what is secret in the URLs of a text: `http://user:pass@host/?token=x`.
fn mask_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "'\"`<>,".contains(c));
        let (url, tail) = after.split_at(end.unwrap_or(after.len()));
        masked.push_str(&mask_url(url));
        rest = tail;
    }
    masked + rest
}

/// The same for what follows `://`.
fn mask_url(url: &str) -> String {
    let authority_ends = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, path) = url.split_at(authority_ends);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{MASK}@{host}"),
        None => authority.to_owned(),
    };
    let Some((path, query)) = path.split_once('?') else { return authority + path };
    let query: Vec<String> = query.split('&').map(mask_parameter).collect();
    format!("{authority}{path}?{}", query.join("&"))
}

fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    }
}

/// Masks the words of a script. What is between quotes belongs to one word, as in a shell.
fn mask_script(script: &str) -> String {
    let words = words(script);
    let texts: Vec<String> = words.iter().map(|(_, word)| (*word).to_owned()).collect();
    let mut masked = String::with_capacity(script.len());
    let mut value_is_secret = false;
    for ((space, word), text) in words.iter().zip(texts) {
        masked.push_str(space);
        let inner = word.trim_matches(['\'', '"']);
        if value_is_secret && !text.starts_with("--") && !text.is_empty() {
            masked.push_str(MASK);
            value_is_secret = false;
            continue;
        }
        value_is_secret = is_secret_option(inner);
        if inner.len() < word.len() && inner.contains(char::is_whitespace) {
            // A script within a script; it is shorter than this one, so this comes to an end.
            let open = word.len() - word.trim_start_matches(['\'', '"']).len();
            masked.push_str(&word[..open]);
            masked.push_str(&mask_script(inner));
            masked.push_str(&word[open + inner.len()..]);
        } else {
            masked.push_str(&mask_word(word));
        }
    }
    masked
}

/// Splits a script into pairs of space and word that, put together again, are the script.
fn words(script: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        let start = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let (space, after) = rest.split_at(start);
        let (word, tail) = after.split_at(word_end(after));
        words.push((space, word));
        rest = tail;
    }
    words
}

/// Where the first word of a text ends.
fn word_end(text: &str) -> usize {
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c.is_whitespace() => return i,
            None => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(args: &[&str]) -> Vec<String> {
        mask_secrets(&args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn values_of_secret_options_are_masked_in_both_forms() {
        for option in [
            "--node-key",
            "--suri",
            "--rpc-login",
            "--password",
            "--keystore-password",
            "--private-key",
            "--secret-phrase",
            "--mnemonic",
            "--jwt-secret",
            "--authrpc.jwtsecret",
            "--unlock",
            "--api_key",
            "-rpcpassword",
        ] {
            assert_eq!(mask(&["n", option, "s3cret", "-v"]), ["n", option, "[masked]", "-v"]);
            let joined = format!("{option}=s3cret");
            assert_eq!(mask(&["n", &joined, "x"]), ["n", &format!("{option}=[masked]"), "x"]);
        }
    }

    #[test]
    fn everything_else_stays() {
        let plain = [
            "./polkadot",
            "--chain=westend",
            "--node-key-file",
            "/etc/key",
            "--password-filename=/etc/pw",
            "--password-interactive",
            "--validator",
            "--base-path",
            "/a b/c",
            "http://127.0.0.1:9944/?x=1&y=2",
            "PATH=/bin",
            "a@b",
            "--",
        ];
        assert_eq!(mask(&plain), plain);
    }

    #[test]
    fn an_option_without_its_value_does_not_hide_the_next_one() {
        assert_eq!(mask(&["--password", "--validator"]), ["--password", "--validator"]);
        assert_eq!(mask(&["--password", "-x"]), ["--password", "[masked]"]);
        assert_eq!(mask(&["--password"]), ["--password"]);
    }

    #[test]
    fn urls_and_variables_are_masked() {
        assert_eq!(
            mask(&["--eth1=http://u:p@h:8545/x,ws://a:b@c", "MY_TOKEN=abc", "x?token=1"]),
            ["--eth1=http://[masked]@h:8545/x,ws://[masked]@c", "MY_TOKEN=[masked]", "x?token=1"]
        );
        assert_eq!(
            mask(&["https://h/p?a=1&api_key=k&b=2"]),
            ["https://h/p?a=1&api_key=[masked]&b=2"]
        );
    }

    #[test]
    fn scripts_are_masked_word_by_word() {
        assert_eq!(
            mask(&["sh", "-c", "exec  node --password 'a b' --suri=x --port 1"]),
            ["sh", "-c", "exec  node --password [masked] --suri=[masked] --port 1"]
        );
        assert_eq!(
            mask(&["sh", "-c", "sh -c \"A_TOKEN=x node\" 'it"]),
            ["sh", "-c", "sh -c \"A_TOKEN=[masked] node\" 'it"]
        );
        assert_eq!(mask(&["--password=a b"]), ["--password=[masked]"]);
    }

    #[test]
    fn every_entry_has_a_reason_and_the_form_it_is_compared_in() {
        for (names, reason) in SECRETS {
            let (Names::Is(text) | Names::Ends(text) | Names::Starts(text)) = names;
            assert!(!reason.is_empty(), "{text}");
            assert!(text.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{text}");
        }
    }

    proptest! {
        #[test]
        fn masking_twice_changes_nothing_more(
            args in proptest::collection::vec("(--password|-x| |'|\"|=|a|TOKEN|://|@|é){0,6}", 0..6)
        ) {
            let once = mask_secrets(&args);
            prop_assert_eq!(once.len(), args.len());
            prop_assert_eq!(mask_secrets(&once), once);
        }
    }
}
