package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.Component;
import training.lora.trainer.model.UNetStateDictAdapter;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Writes modules of an adapter in the forms that other tools read. */
final class AdapterWriter {
    private AdapterWriter() {}

    /**
     * Writes {@code modules} to {@code file}, the same bytes for the same input. Their values are not held on the heap all
     * at once.
     *
     * @param paths names of the UNet in the original code
     * @param type of the factors, fp32 or fp16
     * @param metadata what else the file says of itself
     */
    static void write(
            Path file,
            AdapterFormat format,
            Stream<AdapterModule> modules,
            LoraFamily family,
            UNetStateDictAdapter paths,
            DataType type,
            Map<String, String> metadata)
            throws IOException {
        try (NDManager manager = ComputeDevice.CPU.newManager()) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            List<ModuleForm> forms = new ArrayList<>();
            modules.forEach(module -> {
                ModuleForm m = module.form();
                NDArray down = tensor(manager, module.down(), m.downShape(), type);
                NDArray up = tensor(manager, module.up(), m.upShape(), type);
                forms.add(m);
                switch (format) {
                    case Kohya -> {
                        String name = KohyaNames.module(family, paths, m.component(), m.path());
                        tensors.put(name + KohyaNames.ALPHA, manager.create((float) m.foldedAlpha()));
                        tensors.put(name + KohyaNames.DOWN, down);
                        tensors.put(name + KohyaNames.UP, up);
                    }
                    case Diffusers -> {
                        String name = PeftNames.module(m.component(), m.path());
                        tensors.put(name + PeftNames.A, down);
                        tensors.put(name + PeftNames.B, up);
                    }
                }
            });
            Map<String, String> meta = new TreeMap<>(metadata);
            meta.put("ss_network_dim", common(forms, m -> Integer.toString(m.rank())));
            meta.put("ss_network_alpha", common(forms, m -> Float.toString((float) m.foldedAlpha())));
            List<ModuleForm> convolutions =
                    forms.stream().filter(ModuleForm::convolution).toList();
            if (!convolutions.isEmpty()) {
                meta.put("ss_network_args", networkArguments(convolutions));
            }
            String digest = SafeTensorsWriter.bodyDigest(tensors);
            meta.put("sshs_model_hash", digest);
            meta.put("modelspec.hash_sha256", "0x" + digest);
            if (format == AdapterFormat.Diffusers) {
                meta.put(PeftConfig.KEY, config(forms));
            }
            SafeTensorsWriter.write(file, tensors, meta);
        }
    }

    private static NDArray tensor(NDManager manager, float[] values, Shape shape, DataType type) {
        NDArray single = manager.create(values, shape);
        if (type == DataType.FLOAT32) {
            return single;
        }
        try (single) {
            return single.toType(type, false);
        }
    }

    /** What kohya's trainer is told of convolutions. */
    private static String networkArguments(List<ModuleForm> convolutions) {
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        arguments.put("conv_dim", common(convolutions, m -> Integer.toString(m.rank())));
        arguments.put("conv_alpha", common(convolutions, m -> Float.toString((float) m.foldedAlpha())));
        return arguments.toString();
    }

    /** The value that all have in common, or what kohya writes where they have none. */
    private static String common(List<ModuleForm> modules, Function<ModuleForm, String> value) {
        List<String> values = modules.stream().map(value).distinct().toList();
        return values.size() == 1 ? values.get(0) : "Dynamic";
    }

    private static String config(List<ModuleForm> modules) {
        ObjectNode all = Json.MAPPER.createObjectNode();
        for (Component component : Component.values()) {
            List<ModuleForm> own =
                    modules.stream().filter(m -> m.component() == component).toList();
            if (!own.isEmpty()) {
                PeftConfig.write(all, component, own);
            }
        }
        try {
            return Json.MAPPER.writeValueAsString(all);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
