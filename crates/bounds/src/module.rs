//! One core module: its functions count their steps, its memories and tables end somewhere.

use anyhow::{Result, anyhow};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, Function, FunctionSection, ImportSection, Instruction,
    MemorySection, Module, SectionId, TableSection, TypeSection, ValType,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{
    CodeSectionReader, ExternalKind, FunctionBody, FunctionSectionReader, ImportSectionReader,
    MemorySectionReader, Operator, Parser, Payload, Table, TypeRef, TypeSectionReader,
};

use crate::{
    Bounds, POLICY,
    component::{COUNTER, STEPS, STEPS_TYPE},
};

type Outcome<T = ()> = Result<T, Error<anyhow::Error>>;

/// Bounds a module; adds to `checks` the functions in it by which the policy is called.
pub fn bound(parser: Parser, module: &[u8], bounds: Bounds, checks: &mut u32) -> Outcome<Module> {
    let mut bounder = Bounder::survey(parser.clone(), module, bounds)?;
    *checks += bounder.checks;
    let mut bounded = Module::new();
    bounder.parse_core_module(&mut bounded, parser, module)?;
    Ok(bounded)
}

/// What is added to a module has the numbers after all others of its kind, so that these stay as they are; but for the
/// count of steps: that is imported, and imports go before what the module defines.
struct Bounder {
    bounds: Bounds,
    types: u32,
    imported_functions: u32,
    functions: u32,
    imported_globals: u32,
    /// Those with which the count begins anew, and how many of them are the policy.
    resets: Vec<u32>,
    checks: u32,
    /// The function that is read next.
    next: u32,
    has_imports: bool,
}

impl Bounder {
    fn survey(parser: Parser, module: &[u8], bounds: Bounds) -> Outcome<Self> {
        let mut found = Self {
            bounds,
            types: 0,
            imported_functions: 0,
            functions: 0,
            imported_globals: 0,
            resets: Vec::new(),
            checks: 0,
            next: 0,
            has_imports: false,
        };
        for payload in parser.parse_all(module) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        found.types += u32::try_from(group?.types().len()).unwrap_or(u32::MAX);
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                                found.imported_functions += 1
                            }
                            TypeRef::Global(_) => found.imported_globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    found.functions = found.imported_functions + functions.count();
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        // After the call comes its clean-up, which leaves a whole count to whatever is called
                        // before the next one, the allocation of its arguments above all.
                        let check = format!("{POLICY}#check");
                        let of_policy = export.name == check;
                        let clean_up = export.name == format!("cabi_post_{check}");
                        if export.kind == ExternalKind::Func && (of_policy || clean_up) {
                            found.resets.push(export.index);
                            found.checks += u32::from(of_policy);
                        }
                    }
                }
                _ => {}
            }
        }
        found.next = found.imported_functions;
        Ok(found)
    }

    /// The number of the global that holds the count.
    fn steps(&self) -> u32 {
        self.imported_globals
    }

    /// The number of the function that charges for what is copied or filled at once.
    fn charge(&self) -> u32 {
        self.functions
    }

    fn import_steps(imports: &mut ImportSection) {
        imports.import(COUNTER, STEPS, EntityType::Global(STEPS_TYPE));
    }

    fn reset(&self, function: &mut Function) {
        function.instruction(&Instruction::I64Const(self.bounds.steps.cast_signed()));
        function.instruction(&Instruction::GlobalSet(self.steps()));
    }

    /// Takes as many steps as `push` puts onto the stack, as i64; traps if there are no more.
    fn take(&self, function: &mut Function, push: &[Instruction<'_>]) {
        function.instruction(&Instruction::GlobalGet(self.steps()));
        for instruction in push {
            function.instruction(instruction);
        }
        for instruction in [
            Instruction::I64Sub,
            Instruction::GlobalSet(self.steps()),
            Instruction::GlobalGet(self.steps()),
            Instruction::I64Const(0),
            Instruction::I64LtS,
            Instruction::If(BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
        ] {
            function.instruction(&instruction);
        }
    }

    /// Takes a length off the stack, charges for it, and puts it back.
    fn charging(&self) -> Function {
        let mut function = Function::new([]);
        let length = [
            Instruction::LocalGet(0),
            Instruction::I64ExtendI32U,
            Instruction::I64Const(6),
            Instruction::I64ShrU,
        ];
        self.take(&mut function, &length);
        function.instruction(&Instruction::LocalGet(0));
        function.instruction(&Instruction::End);
        function
    }
}

impl Reencode for Bounder {
    type Error = anyhow::Error;

    fn global_index(&mut self, global: u32) -> Outcome<u32> {
        Ok(global + u32::from(global >= self.imported_globals))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Outcome {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32], [ValType::I32]);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Outcome {
        utils::parse_import_section(self, imports, section)?;
        Self::import_steps(imports);
        self.has_imports = true;
        Ok(())
    }

    /// A module without imports gets some. One without functions has nothing to count.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Outcome {
        let is_due = !matches!(before, Some(SectionId::Type | SectionId::Import));
        if is_due && !self.has_imports && self.functions > 0 {
            let mut imports = ImportSection::new();
            Self::import_steps(&mut imports);
            module.section(&imports);
            self.has_imports = true;
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Outcome {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.types);
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: MemorySectionReader<'_>,
    ) -> Outcome {
        for memory in section {
            let mut memory = self.memory_type(memory?)?;
            memory.maximum = Some(maximum(
                memory.minimum,
                memory.maximum,
                self.bounds.pages(),
                "memory",
            )?);
            memories.memory(memory);
        }
        Ok(())
    }

    fn parse_table(&mut self, tables: &mut TableSection, mut table: Table<'_>) -> Outcome {
        let ty = &mut table.ty;
        ty.maximum = Some(maximum(
            ty.initial,
            ty.maximum,
            self.bounds.entries(),
            "a table",
        )?);
        utils::parse_table(self, tables, table)
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Outcome {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.charging());
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Outcome {
        let one = [Instruction::I64Const(1)];
        let mut function = self.new_function_with_parsed_locals(&body)?;
        if self.resets.contains(&self.next) {
            self.reset(&mut function);
        }
        self.next += 1;
        self.take(&mut function, &one);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            let (is_loop, has_length) = match &operator {
                Operator::Loop { .. } => (true, false),
                Operator::MemoryFill { .. }
                | Operator::MemoryCopy { .. }
                | Operator::MemoryInit { .. }
                | Operator::TableFill { .. }
                | Operator::TableCopy { .. }
                | Operator::TableInit { .. }
                | Operator::TableGrow { .. } => (false, true),
                _ => (false, false),
            };
            if has_length {
                function.instruction(&Instruction::Call(self.charge()));
            }
            function.instruction(&self.instruction(operator)?);
            if is_loop {
                self.take(&mut function, &one);
            }
        }
        code.function(&function);
        Ok(())
    }
}

/// The smaller of what it says and what it may have.
fn maximum(minimum: u64, own: Option<u64>, bound: u64, what: &str) -> Outcome<u64> {
    if minimum > bound {
        let error =
            anyhow!("{what} of it is larger from the start than the bound on memory allows");
        return Err(Error::UserError(error));
    }
    Ok(own.unwrap_or(bound).min(bound))
}
