//! The oracle: for real commands and for every fixture, what is recorded is exactly what another
//! recorder hears, and the command neither ends nor prints otherwise than without a tracer.
//!
//! Suite. The table is data (`oracle/*.rs`); where two runs of a command differ by nature it says
//! so, and then the kernel's own recorder hears the very same run (`common::kernel`) in place of a
//! second run under `strace -f`. Nothing is tolerated beyond that.

#![allow(clippy::unwrap_used)]

#[path = "oracle/commands.rs"]
mod commands;
mod common;
#[path = "oracle/fixtures.rs"]
mod fixtures;
#[path = "oracle/run.rs"]
mod run;
#[path = "oracle/servers.rs"]
mod servers;
#[path = "oracle/table.rs"]
mod table;

#[test]
fn coreutils() {
    run::check(&commands::coreutils());
}

#[test]
fn shells_and_archives() {
    run::check(&commands::shells());
}

#[test]
fn languages() {
    run::check(&commands::languages());
}

#[test]
fn developer_tools() {
    run::check(&commands::developer_tools());
}

#[test]
fn redis_and_memcached() {
    run::check(&servers::redis_and_memcached());
}

#[test]
fn nginx() {
    run::check(&servers::nginx());
}

#[test]
fn postgres() {
    run::check(&servers::postgres());
}

#[test]
fn fixtures_one_task_at_a_time() {
    run::check(&fixtures::quiet());
}

#[test]
fn fixtures_that_race() {
    run::check(&fixtures::racing());
}

#[test]
fn the_table_has_forty_real_commands() {
    let commands = commands::coreutils().len()
        + commands::shells().len()
        + commands::languages().len()
        + commands::developer_tools().len()
        + servers::redis_and_memcached().len()
        + servers::nginx().len()
        + servers::postgres().len();
    assert!(commands >= 40, "{commands}");
}
