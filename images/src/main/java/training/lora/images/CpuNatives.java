package training.lora.images;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Those for CPUs, of Maven's artifact, unpacked where each process would otherwise unpack them. */
final class CpuNatives implements TorchNatives {
    static final String NAME = "lora-trainer-cpu";

    private static final String FLAVOR = "cpu";

    @Override
    public String image() {
        return NAME;
    }

    @Override
    public String tagSuffix() {
        return "";
    }

    @Override
    public String description() {
        return "Prepares, trains and evaluates adapters for Stable Diffusion";
    }

    @Override
    public Map<String, String> environment() {
        return Map.of();
    }

    @Override
    public List<String> layers() {
        return List.of();
    }

    @Override
    public List<Layer> lay(Path folder, Layer small, TrainerJars jars, Sbom sbom) throws IOException {
        for (String library : jars.torchLibraries()) {
            jars.torch()
                    .unpack(
                            "pytorch/%s/%s/%s".formatted(FLAVOR, PLATFORM, library),
                            small,
                            TorchNatives.folder(jars, FLAVOR) + "/" + library);
        }
        TorchNatives.glue(jars, FLAVOR, small);
        return List.of();
    }
}
