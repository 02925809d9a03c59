package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;

/** That an adapter's file, read back and applied, gives the trained adapter's output. */
public record Proof(
        @JsonPropertyDescription("The file, relative to where this stands.")
        String file,

        @JsonPropertyDescription("Its sha256, hex.") String sha256,

        @JsonPropertyDescription(
                "Greatest difference of the denoiser's output with the file and with the trained adapter, for a fixed input, over the output's greatest value.")
        Double difference,

        @JsonPropertyDescription("The greatest difference that a run accepts.")
        Double tolerance) {}
