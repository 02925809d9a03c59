package training.lora.trainer.export;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Writes modules of an adapter in the forms that other tools read. */
final class AdapterWriter {
    private AdapterWriter() {}

    /**
     * Writes {@code modules} to {@code file}, the same bytes for the same input. Their values are read twice, for
     * the digest comes before them, and one tensor at a time is in memory.
     *
     * @param tokens that are written beside them, by their names
     * @param paths names of the UNet in the original code
     * @param type of the factors, fp32 or fp16
     * @param metadata what else the file says of itself
     */
    static void write(
            Path file,
            AdapterFormat format,
            List<AdapterModule> modules,
            Map<String, LazyTensor> tokens,
            LoraFamily family,
            UNetStateDictAdapter paths,
            DataType type,
            Map<String, String> metadata)
            throws IOException {
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        for (AdapterModule module : modules) {
            ModuleForm m = module.form();
            List<AdapterPart> parts = m.kind().parts();
            switch (format) {
                case Kohya, A1111Baked -> {
                    String name = KohyaNames.module(family, paths, m.component(), m.path());
                    if (ranked(m)) {
                        tensors.put(name + AdapterPart.Alpha.kohya(), scalar((float)
                                m.kind().foldedAlpha()));
                    }
                    parts.forEach(part -> tensors.put(name + part.kohya(), stored(format, module, part, type)));
                }
                case Diffusers -> {
                    String name = PeftNames.module(m.component(), m.path());
                    parts.forEach(part -> tensors.put(name + part.peft(), stored(format, module, part, type)));
                }
            }
        }
        tensors.putAll(tokens);
        List<ModuleForm> forms = modules.stream().map(AdapterModule::form).toList();
        Map<String, String> meta = new TreeMap<>(metadata);
        List<ModuleForm> ranked = forms.stream().filter(AdapterWriter::ranked).toList();
        if (!ranked.isEmpty()) {
            meta.put("ss_network_dim", common(ranked, m -> Integer.toString(m.rank())));
            meta.put(
                    "ss_network_alpha",
                    common(ranked, m -> Float.toString((float) m.kind().foldedAlpha())));
        } else if (!forms.isEmpty()) {
            meta.remove("ss_network_dim");
            meta.remove("ss_network_alpha");
        }
        NetworkArguments.describe(meta, forms);
        DoraNorms.describe(meta, forms);
        String digest = SafeTensorsWriter.lazyBodyDigest(tensors);
        meta.put("sshs_model_hash", digest);
        meta.put("modelspec.hash_sha256", "0x" + digest);
        if (format == AdapterFormat.Diffusers) {
            meta.put(PeftConfig.KEY, config(forms));
        }
        SafeTensorsWriter.writeLazy(file, tensors, meta);
    }

    /** Whether it has an alpha and a rank that divides it. */
    private static boolean ranked(ModuleForm module) {
        return !(module.kind() instanceof FullDifference);
    }

    /** A part in the shape that the form has for it. */
    private static LazyTensor stored(AdapterFormat format, AdapterModule module, AdapterPart part, DataType type) {
        LazyTensor value = module.value(part).as(type);
        if (part != AdapterPart.Magnitude) {
            return value;
        }
        Shape shape = DoraNorms.stored(format, module.form());
        return new LazyTensor(shape, type, scope -> value.in(scope).reshape(shape));
    }

    private static LazyTensor scalar(float value) {
        return new LazyTensor(new Shape(), DataType.FLOAT32, scope -> scope.create(value));
    }

    /** The value that all have in common, or what kohya writes where they have none. */
    static String common(List<ModuleForm> modules, Function<ModuleForm, String> value) {
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
