//! That no case is missing.

use super::*;

const TESTS: [&str; 12] = [
    include_str!("accounts.rs"),
    include_str!("carry_over.rs"),
    include_str!("closings.rs"),
    include_str!("directories.rs"),
    include_str!("files.rs"),
    include_str!("gate.rs"),
    include_str!("keep_configuration.rs"),
    include_str!("links.rs"),
    include_str!("receipt.rs"),
    include_str!("release.rs"),
    include_str!("services.rs"),
    include_str!("trees.rs"),
];

/// What everything of a closed set is called in the names of its tests. Whoever adds to the set is told by the
/// compiler to add to the list.
macro_rules! names {
    ($list:ident of $set:ident: $($variant:ident is $name:literal),* $(,)?) => {
        const $list: &[&str] = &[$($name),*];
        const _: fn(&$set) -> &'static str = |one| match one { $($set::$variant { .. } => $name),* };
    };
}

names! { ACTIONS of Action:
    CreateDirectory is "create_directory",
    CreateRelease is "create_release",
    Unpack is "unpack",
    Configure is "configure",
    RunTool is "run_tool",
    Seal is "seal",
    Gate is "gate",
    CreateAccount is "create_account",
    WriteFile is "write_file",
    ReplaceFile is "replace_file",
    SetMode is "set_mode",
    GiveToAccount is "give_to_account",
    StopServices is "stop_services",
    CopyTree is "copy_tree",
    Move is "move",
    PutBack is "put_back",
    CarryOver is "carry_over",
    KeepConfiguration is "keep_configuration",
    WriteReceipt is "write_receipt",
    ReloadUnits is "reload_units",
    SwitchCurrent is "switch_current",
    RegisterServices is "register_services",
    UnregisterServices is "unregister_services",
    StartServices is "start_services",
}

names! { CLOSINGS of Closing:
    ClearMark is "closing_clear_mark",
    ReplaceFile is "closing_replace_file",
    AppendHistory is "closing_append_history",
    Remove is "closing_remove",
    RemoveIfEmpty is "closing_remove_if_empty",
    UnregisterServices is "closing_unregister_services",
    ReloadServices is "closing_reload_services",
    RemoveAccount is "closing_remove_account",
}

#[test]
fn no_case_is_missing() {
    let cases = ["", "_then_undo", "_that_exists", "_twice", "_whose_undo_fails"];
    let of_closings = ["", "_twice", "_in_the_way"];
    let mut missing = [wanted(ACTIONS, &cases), wanted(CLOSINGS, &of_closings)].concat();
    missing.retain(|name| !TESTS.iter().any(|tests| has_test(tests, name)));
    assert!(missing.is_empty(), "{missing:#?}");
}

fn wanted(names: &[&str], cases: &[&str]) -> Vec<String> {
    let mut wanted = Vec::new();
    for name in names {
        wanted.extend(cases.iter().map(|case| format!("{name}{case}")));
    }
    wanted
}

/// A name that is a keyword is written another way.
fn has_test(tests: &str, name: &str) -> bool {
    let is_there = |raw: &str| tests.contains(&format!("#[test]\nfn {raw}{name}()"));
    is_there("") || is_there("r#")
}
