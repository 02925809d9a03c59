package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import training.lora.api.Json;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraAdapter.AdaptedProjection;
import training.lora.trainer.adapter.LoraAdapter.Factors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Writes an adapter in the forms that other tools read, and proves each file by reading it back. */
public final class Exports {
    private Exports() {}

    /**
     * kohya's form, for ComfyUI and AUTOMATIC1111: {@code lora_unet_X.lora_down.weight} (r, in), {@code .lora_up.weight}
     * (out, r), {@code .alpha} (), with X the module path in diffusers' names and {@code _} for dots.
     */
    public static void kohya(Path file, LoraAdapter adapter, ExportMetadata metadata) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            adapter.factors().forEach((path, f) -> {
                String module = AdapterFiles.KOHYA_PREFIX + path.replace('.', '_');
                tensors.put(module + ".alpha", manager.create((float) f.alpha()));
                tensors.put(module + ".lora_down.weight", down(manager, f));
                tensors.put(module + ".lora_up.weight", up(manager, f));
            });
            Set<Integer> ranks = new LinkedHashSet<>();
            Set<Double> alphas = new LinkedHashSet<>();
            adapter.factors().values().forEach(f -> {
                ranks.add(f.rank());
                alphas.add(f.alpha());
            });
            Map<String, String> meta = new TreeMap<>();
            String digest = SafeTensorsWriter.bodyDigest(tensors);
            meta.put("format", "pt");
            meta.put("ss_v2", "False");
            meta.put("ss_base_model_version", "sd_v1");
            meta.put("ss_network_module", "networks.lora");
            meta.put(
                    "ss_network_dim",
                    ranks.size() == 1 ? ranks.iterator().next().toString() : "Dynamic");
            meta.put(
                    "ss_network_alpha",
                    alphas.size() == 1 ? alphas.iterator().next().toString() : "Dynamic");
            meta.put("ss_output_name", metadata.title());
            meta.put("ss_sd_model_name", metadata.baseModel());
            meta.put("ss_resolution", "(%1$d, %1$d)".formatted(metadata.resolution()));
            meta.put("sshs_model_hash", digest);
            meta.put("modelspec.sai_model_spec", "1.0.1");
            meta.put("modelspec.architecture", "stable-diffusion-v1/lora");
            meta.put("modelspec.implementation", "diffusers");
            meta.put("modelspec.title", metadata.title());
            meta.put("modelspec.resolution", "%1$dx%1$d".formatted(metadata.resolution()));
            meta.put("modelspec.prediction_type", "epsilon");
            meta.put("modelspec.hash_sha256", "0x" + digest);
            SafeTensorsWriter.write(file, tensors, meta);
        }
        prove(file, adapter);
    }

    /**
     * The form of diffusers and PEFT: {@code unet.PATH.lora_A.weight} (r, in) and {@code .lora_B.weight} (out, r), with
     * rank and alpha in {@code lora_adapter_metadata}.
     */
    public static void diffusers(Path file, LoraAdapter adapter, ExportMetadata metadata) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            adapter.factors().forEach((path, f) -> {
                tensors.put("unet." + path + ".lora_A.weight", down(manager, f));
                tensors.put("unet." + path + ".lora_B.weight", up(manager, f));
            });
            ObjectNode config = Json.MAPPER.createObjectNode();
            AdaptedProjection first = adapter.projections().get(0);
            config.put("unet.r", first.rank());
            config.put("unet.lora_alpha", number(first.alpha()));
            ObjectNode ranks = Json.MAPPER.createObjectNode();
            ObjectNode alphas = Json.MAPPER.createObjectNode();
            var targets = config.putArray("unet.target_modules");
            for (AdaptedProjection p : adapter.projections()) {
                targets.add(p.projection().path());
                if (p.rank() != first.rank()) {
                    ranks.put(p.projection().path(), p.rank());
                }
                if (p.alpha() != first.alpha()) {
                    alphas.put(p.projection().path(), p.alpha());
                }
            }
            if (!ranks.isEmpty()) {
                config.set("unet.rank_pattern", ranks);
            }
            if (!alphas.isEmpty()) {
                config.set("unet.alpha_pattern", alphas);
            }
            SafeTensorsWriter.write(
                    file,
                    tensors,
                    Map.of("format", "pt", "lora_adapter_metadata", Json.MAPPER.writeValueAsString(config)));
        }
        prove(file, adapter);
    }

    private static Double number(double value) {
        return value;
    }

    private static NDArray down(NDManager manager, Factors f) {
        return manager.create(f.down(), new Shape(f.rank(), f.down().length / f.rank()));
    }

    private static NDArray up(NDManager manager, Factors f) {
        return manager.create(f.up(), new Shape(f.up().length / f.rank(), f.rank()));
    }

    /** The file must give back the very factors: nothing lost, renamed or scaled. */
    private static void prove(Path file, LoraAdapter adapter) {
        Map<String, Factors> written = adapter.factors();
        Map<String, Factors> read = AdapterFiles.factors(
                file,
                adapter.projections().stream()
                        .map(AdaptedProjection::projection)
                        .toList());
        boolean same = written.keySet().equals(read.keySet())
                && written.entrySet().stream().allMatch(e -> same(e.getValue(), read.get(e.getKey())));
        if (!same) {
            throw new IllegalStateException(file + " must read back as what was trained, but does not");
        }
    }

    private static boolean same(Factors a, @org.jspecify.annotations.Nullable Factors b) {
        return b != null
                && a.rank() == b.rank()
                && (float) a.alpha() == (float) b.alpha()
                && Arrays.equals(a.down(), b.down())
                && Arrays.equals(a.up(), b.up());
    }
}
