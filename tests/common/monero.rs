//! `monerod` on loopback, alone or with one peer, on a chain that it makes for itself. For the tests
//! and for the bench.

use serde_json::{Value, json};

use super::process::post_json;

/// What every node gets; another data directory is another node.
pub fn node(data: &str, rpc: u16) -> Vec<String> {
    strings(&[
        "--regtest",
        "--keep-fakechain",
        "--fixed-difficulty",
        "1",
        "--no-zmq",
        "--no-igd",
        "--non-interactive",
        "--disable-dns-checkpoints",
        "--check-updates",
        "disabled",
        "--data-dir",
        data,
        "--rpc-bind-port",
        &rpc.to_string(),
    ])
}

/// What a node gets that has one peer, and no other; the peer gets the same the other way round.
pub fn peer(listen: u16, other: u16) -> Vec<String> {
    strings(&[
        "--p2p-bind-ip",
        "127.0.0.1",
        "--p2p-bind-port",
        &listen.to_string(),
        "--allow-local-ip",
        "--add-exclusive-node",
        &format!("127.0.0.1:{other}"),
    ])
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|s| (*s).to_owned()).collect()
}

/// What it says of itself, `height` and `synchronized` among others; `None` while it does not answer.
pub fn info(rpc: u16) -> Option<Value> {
    serde_json::from_str(&post_json(rpc, "/get_info", "{}")?).ok()
}

/// Whether the node has that height, and thinks that there is no greater one.
pub fn is_synced_to(height: u64, rpc: u16) -> bool {
    info(rpc).is_some_and(|info| info["height"] == height && info["synchronized"] == true)
}

/// Has the node mine; the height then, if it does and tells.
pub fn mine(rpc: u16, blocks: u64) -> Option<u64> {
    /// An address that Monero's own functional tests mine to.
    const WALLET: &str = "42ey1afDFnn4886T7196doS9GPMzexD9gXpsZJDwVjeRVdFCSoHnv7KPbBeGpzJBzHRCAs9Ux\
                          qeoyFQMYbqSWYTfJJQAWDm";
    let request = json!({
        "jsonrpc": "2.0", "id": "0", "method": "generateblocks",
        "params": { "amount_of_blocks": blocks, "wallet_address": WALLET, "starting_nonce": 0 },
    });
    let answer = post_json(rpc, "/json_rpc", &request.to_string())?;
    serde_json::from_str::<Value>(&answer).ok()?["result"]["height"].as_u64()
}
