package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import java.util.List;

/** What is written. */
public record OutputSpec(
        @JsonPropertyDescription(
                "Forms of the adapter file: Kohya (ComfyUI, AUTOMATIC1111), Diffusers (PEFT). Default both.")
        @Size(min = 1, max = 8) List<AdapterFormat> formats) {
    public OutputSpec {
        formats = formats == null ? List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers) : List.copyOf(formats);
    }
}
