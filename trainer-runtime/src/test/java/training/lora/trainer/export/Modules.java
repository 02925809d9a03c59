package training.lora.trainer.export;

import java.util.Map;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.Lora;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;

/** Modules of adapters for tests. */
final class Modules {
    private Modules() {}

    /** A module of a LoRA with given factors. */
    static AdapterModule lora(
            Component component, String path, double alpha, boolean stabilized, LazyTensor down, LazyTensor up) {
        Lora kind = new Lora((int) down.shape().get(0), alpha, stabilized);
        return new AdapterModule(
                new ModuleForm(
                        component, path, kind, Map.of(AdapterPart.Down, down.shape(), AdapterPart.Up, up.shape())),
                Map.of(AdapterPart.Down, down, AdapterPart.Up, up));
    }
}
