package training.lora.trainer;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

@AnalyzeClasses(packages = "training.lora.trainer", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule ROOMS_DEPEND_ON_EACH_OTHER_ONE_WAY =
            slices().matching("training.lora.trainer.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule THE_TRAINER_KNOWS_NO_KUBERNETES =
            noClasses().should().dependOnClassesThat().resideInAPackage("io.fabric8.kubernetes..");

    @ArchTest
    static final ArchRule NETWORKS_KNOW_NOTHING_OF_TRAINING = noClasses()
            .that()
            .resideInAnyPackage("..tensor..", "..model..", "..adapter..", "..diffusion..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("..train..", "..evaluate..", "..cli..", "..run..", "..prepare..", "..export..");
}
