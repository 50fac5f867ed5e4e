#pragma once

/// Called by libFuzzer before anything else, with the command line.
int LLVMFuzzerInitialize(int *argc, char ***argv);
